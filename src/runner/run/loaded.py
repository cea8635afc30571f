"""runner.load(…): a trained network from Python, with all that it needs to answer."""

import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.job.predictor import Predictor, predictor
from runner.run.isolation import isolated, same_numbers
from runner.tasks.base import Task

Place = str | os.PathLike[str]


@dataclass(frozen=True)
class Loaded:
    """A run's network, or a file that it exported; called with files or inputs it answers as `predict` does.

    Attributes:
        predictor: reads files, runs the network, and says what its outputs mean.
    """

    predictor: Predictor

    @property
    def datamodule(self) -> DataModule:
        """What reads files and makes of them what the network takes."""
        return self.predictor.datamodule

    @property
    def task(self) -> Task:
        """What says what outputs mean."""
        return self.predictor.task

    @property
    def network(self) -> nn.Module:
        """The network with its trained weights, in evaluation mode; of an artifact that of its run, as trained."""
        return self.task.network

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names by class index, where the data has them."""
        return self.task.class_names

    def read(self, *files: Place) -> Any:
        """Return files as the data module holds them, such as images uint8 (N, C, H, W).

        Raises:
            RunnerError: a file that is not there or can't be read.
        """
        return self.datamodule.read(found(map(Path, files)))

    def preprocess(self, inputs: Any) -> Any:
        """Return inputs as the data module holds them, such as uint8 (N, C, H, W), as the network takes them."""
        return self.datamodule.transform(inputs)

    def __call__(self, inputs: Place | Sequence[Place] | Any) -> list[dict[str, Any]]:
        """Return a row for each input, or for each object found.

        Args:
            inputs: a file or several (images, CSV, text, JSON); or tensors as the data module holds them.

        Raises:
            RunnerError: a file that is not there or can't be read, or a shape that the network doesn't take.
        """
        if (paths := paths_of(inputs)) is not None:
            return self.predictor.rows(found(paths))
        with torch.inference_mode():
            try:
                outputs = self.predictor.outputs(self.preprocess(inputs))
            except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
                told = " ".join(str(error).split())
                raise RunnerError(
                    f"These inputs cannot be taken ({told}). Give files, or tensors as its method read returns them."
                ) from error
            return [row for rows in self.task.answers(outputs) for row in rows]


def found(paths: Iterable[Path]) -> list[Path]:
    """Return the paths; raises RunnerError where there is no file at one of them."""
    paths = list(paths)
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise RunnerError(f"{', '.join(missing)}: there is no such file.")
    return paths


def paths_of(inputs: Any) -> list[Path] | None:
    """Return inputs as paths where they are such, one or several; None where they are something else."""
    if isinstance(inputs, (str, os.PathLike)):
        return [Path(inputs)]
    if isinstance(inputs, (list, tuple)) and all(isinstance(each, (str, os.PathLike)) for each in inputs):
        return [Path(each) for each in inputs]
    return None


def load(place: Place, *, plugins: Sequence[str] = (), trust: bool = False) -> Loaded:
    """Return a finished run by its best weights, or a file that it exported.

    Args:
        place: a run directory, or a file among its artifacts.
        plugins: packages of the user's own that the run names classes of, and whose code may be executed.
        trust: load native code although the run's result.json doesn't vouch for it.

    Raises:
        RunnerError: there is no such run or file, or it can't be run here.
    """
    with isolated([f"runner.plugins=[{','.join(plugins)}]"] if plugins else []), same_numbers():
        held: AbstractContextManager[Predictor] = predictor(Path(place), trust=trust)
        with held as answering:
            return Loaded(answering)
