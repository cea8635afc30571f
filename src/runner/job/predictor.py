"""Predictor: a finished run, by its best weights or by a file that it exported, asked about files of anybody's."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from runner.compression.files.file_format import FileFormat
from runner.compression.files.formats import format_of, run_in_batches
from runner.compression.meta import without_values
from runner.config.recorded import recorded_config, tell_places
from runner.data.images.embedding.gallery import gallery_images
from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.files import sha256
from runner.job.assemble import SPARSE_SUFFIX, restore
from runner.job.build import allowing
from runner.job.formats import known_formats
from runner.job.serving import task_name
from runner.measure import nested
from runner.tasks.base import Task
from runner.tasks.embedding.metric_learning import MetricLearning
from runner.tracking import layout
from runner.tracking.result import RunResult
from runner.tracking.run_directory import RunDirectory, owner

BATCH = 256


@dataclass(frozen=True)
class Predictor:
    """Reads, runs and says.

    Attributes:
        datamodule: what reads files; nothing of the run's own data was read.
        task: holds the run's weights, and says what outputs mean.
        program: an exported file's, over any number of inputs; None where the weights answer.
    """

    datamodule: DataModule
    task: Task
    program: Callable[[Any], Any] | None = None

    def rows(self, paths: Sequence[Path], notice: Callable[..., None] | None = None) -> list[dict[str, Any]]:
        """Return one row for every input, or for every object found: the file (or its row), and what the task says.

        Args:
            paths: files of the user's.
            notice: is called with each file, the data module, the task, the network's outputs, and the rows of each
                input in it.

        Raises:
            RunnerError: an input that cannot be read.
        """
        return [{"input": name, **row} for path in paths for name, found in self.answers(path, notice) for row in found]

    def answers(self, path: Path, notice: Callable[..., None] | None = None) -> list[tuple[str, list[dict[str, Any]]]]:
        """Return for each input in a file its name and its rows."""
        inputs = self.datamodule.read([path])
        with torch.inference_mode():
            outputs = self.outputs(self.datamodule.transform(inputs))
            found = [self.datamodule.as_given(path, rows) for rows in self.task.answers(outputs)]
            if notice is not None:
                notice(path, self.datamodule, self.task, outputs, found)
        return list(zip(self.datamodule.names_of(path, inputs), found, strict=True))

    @property
    def compares(self) -> bool:
        """Whether two images are compared rather than each told of: the run learned embeddings."""
        return isinstance(self.task, MetricLearning)

    def compared(self, paths: Sequence[Path], gallery: Path | None = None) -> list[dict[str, Any]]:
        """Return the distance of two images, or, of each image, the nearest names of a gallery; with the verdict.

        Raises:
            RunnerError: the run learned no embeddings, the gallery has no images, or one cannot be read.
        """
        task = self.task
        if not isinstance(task, MetricLearning):
            raise RunnerError(f"--gallery is for runs with task=metric_learning; this one's is {task_name(task)}.")
        named = None if gallery is None else gallery_images(gallery)
        with torch.inference_mode():
            if named is None:
                return [{"input": str(paths[0]), "other": str(paths[1]), **task.pair(self._embeddings(paths))}]
            nearest = task.nearest(self._embeddings(paths), self._embeddings([*named]), [*named.values()])
        return [{"input": str(path), **row} for path, rows in zip(paths, nearest, strict=True) for row in rows]

    def _embeddings(self, paths: Sequence[Path]) -> Any:
        parts = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
        read, transform = self.datamodule.read, self.datamodule.transform
        return nested.concatenate([self.outputs(transform(read([*part]))) for part in parts])

    def outputs(self, inputs: Any) -> Any:
        """Return the outputs for any number of transformed inputs, batch by batch where they can be cut."""
        if self.program is not None:
            return self.program(inputs)
        return nested.concatenate([self.task(part) for part in nested.split(inputs, BATCH)])

    def own_rows(self) -> list[dict[str, Any]]:
        """Return one row for every sample that a run on a graph has an answer for without being given anything.

        Raises:
            RunnerError: this kind of data must be given inputs, or the file has no such answers.
        """
        datamodule, chosen = self.datamodule, self.datamodule.own_samples
        if chosen is None:
            raise RunnerError("Nothing to predict: name the files to predict for after the run directory.")
        datamodule.setup()
        numbers = chosen()
        if self.program is not None:
            self.task.network = StandIn(self.program)
        samples = datamodule.splits["train"]
        with torch.inference_mode():
            outputs, targets = self.task(samples.rows[numbers]), samples.row_targets[numbers]
            rows = zip(numbers.tolist(), self.task.rows(outputs, targets), strict=True)
            return [{**datamodule.identify(number), **row} for number, row in rows]


class StandIn(nn.Module):
    """An exported file's program where a network is expected."""

    def __init__(self, program: Callable[[Any], Any]) -> None:
        super().__init__()
        self.program = program

    def forward(self, inputs: Any) -> Any:
        """Return the program's outputs."""
        return self.program(inputs)


@contextmanager
def predictor(place: Path, *, trust: bool = False, own: bool = False) -> Iterator[Predictor]:
    """Give the predictor of a run directory, or of a file among its artifacts, for as long as it is asked.

    Args:
        place: the directory or the file.
        trust: load a file of native code although the run's result.json doesn't hold its hash.
        own: its own samples are asked about, so that its data is read.

    Raises:
        RunnerError: not a run directory or artifact, no checkpoint, or a file that can't be run here.
    """
    record, exported, weights = RunDirectory(place), None, None
    if not place.is_dir():
        record = owner(place, "which say how inputs are read")
        exported, weights = (None, place) if place.suffix == SPARSE_SUFFIX else (place, None)
    with recorded_config(record) as config, allowing(config.runner.plugins or [], str(record.path)):
        form = None if exported is None else usable_format(exported, record, config, trust=trust)
        if own or config.checkpoint:  # for inputs of somebody's own it seldom needs its data
            tell_places(config)
        datamodule, task = restore(config, record.path, weights)
        if exported is None or form is None:
            yield Predictor(datamodule, task)
            return
        datamodule.fix_shape()
        yield Predictor(datamodule, task, over_any_number(exported, form, task))


def usable_format(path: Path, record: RunDirectory, config: Any, *, trust: bool) -> FileFormat:
    """Return the format of an exported file.

    Raises:
        RunnerError: it can't be run here, or is native code that is not, byte for byte, what its run wrote.
    """
    known = known_formats(config)
    form = known[format_of(known, path)]
    if form.native and not trust:
        refuse_unknown_code(path, record)
    if form.missing:
        raise RunnerError(f"{path}: running it needs {', '.join(form.missing)}: {form.install}")
    return form


def refuse_unknown_code(path: Path, record: RunDirectory) -> None:
    """Raise RunnerError for a file of native code that its run's result.json doesn't vouch for."""
    result = record.path / layout.RESULT
    written = RunResult.load(result).artifacts.values() if result.is_file() else ()
    if sha256(path) not in {each.sha256 for each in written}:
        raise RunnerError(
            f"{path} is native code, and {result} does not hold its hash: loading it would execute whatever it is; "
            "export it again, or add --trust where you know who wrote it."
        )


def over_any_number(path: Path, form: FileFormat, task: Task) -> Callable[[Any], Any]:
    """Return an exported file's program over any number of inputs; files of weights alone take the task's network."""
    program = form.load(path, lambda: without_values(task.standalone()))
    return lambda inputs: run_in_batches(form.batch, program, inputs, BATCH)
