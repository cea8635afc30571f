"""What a run exports, and whether a written file answers as it does."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from runner.compression.files.file_format import FileFormat, program_of
from runner.compression.files.formats import run_in_batches
from runner.compression.meta import without_values
from runner.compression.network import CompressedNetwork
from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.job.serving import file_told
from runner.measure import nested
from runner.measure.error import sqnr
from runner.measure.nested import Nested

# Below this a file does not compute what the network computes; rounding differences stay far above it.
LEAST_SQNR_DB, LEAST_DYNAMIC_SQNR_DB = 25.0, 10.0
# Below this a sample's answer depends on what else is in its batch, which a server must not put together.
ALONE_SQNR_DB = 60.0
# Runtimes round in other places than the program; in deep networks that adds up. No harm where it stays as close to
# the float network as the program does.
FURTHER_FROM_FLOAT_DB = 3.0


@dataclass(frozen=True)
class Exported:
    """The network that a run ended with.

    Attributes:
        name: of its files.
        network, compressed: see `FileFormat.save`.
        least: for files that answer with boxes, from which score on they count; None where they answer as the network.
    """

    name: str
    network: nn.Module
    compressed: CompressedNetwork | None
    least: float | None = None

    def answer(self, inputs: Nested) -> Nested:
        """Return what the network in memory answers, made smaller and quantized as it is."""
        with torch.no_grad():
            return program_of(self.network, self.compressed)(inputs)

    def answer_in_float(self, inputs: Nested) -> Nested:
        """Return what it answered before it was quantized."""
        with torch.no_grad():
            return self.network(inputs)


def check(
    exported: Exported, form: FileFormat, path: Path, example: Nested, datamodule: DataModule
) -> tuple[float, dict[str, Any]]:
    """Return how far a written file agrees with the network in memory, and what serving must know of it.

    In dB (capped at 200); of files that answer with boxes the share that they have of the network's.

    Raises:
        RunnerError: the file answers differently.
    """
    loaded = form.load(path, partial(without_values, exported.network))
    with torch.no_grad():
        got = run_in_batches(form.batch, loaded, example, nested.samples(example))
        single = run_in_batches(form.batch, loaded, nested.head(example, 1), 1)
        if exported.least is None:
            agreement = agreement_of_outputs(exported, path, example, got)
        else:
            from runner.stages.parts.decoded import IMAGES

            inputs = nested.to(datamodule.example(IMAGES), "cpu")
            answers = run_in_batches(form.batch, loaded, inputs, nested.samples(inputs))
            agreement = agreement_of_boxes(exported, exported.least, path, inputs, answers)
    alone = sqnr(nested.head(got, 1), single) < ALONE_SQNR_DB
    return agreement, file_told(form.batch, got, alone=alone)


def agreement_of_outputs(exported: Exported, path: Path, inputs: Nested, got: Nested) -> float:
    """Return that of a file's answer `got` to `inputs`; see `check`."""
    wanted = exported.answer(inputs)
    agreement = min(sqnr(wanted, got), 200.0)
    dynamic = exported.compressed is not None and exported.compressed.recipe == "dynamic"
    if agreement < (LEAST_DYNAMIC_SQNR_DB if dynamic else LEAST_SQNR_DB):
        floating = exported.answer_in_float(inputs)
        if sqnr(floating, got) <= sqnr(floating, wanted) - FURTHER_FROM_FLOAT_DB:
            raise RunnerError(f"{path}: answers differently from the network it was written from ({agreement:.1f} dB).")
    return agreement


def agreement_of_boxes(exported: Exported, least: float, path: Path, inputs: Nested, got: Any) -> float:
    """Return that of detections (N, most, 6); see `check`."""
    from runner.stages.parts.decoded import LEAST_SHARE, equal_boxes

    wanted: Any = exported.answer(inputs)
    floating: Any = exported.answer_in_float(inputs)
    share = equal_boxes(wanted, got, least)
    # Runtimes round integers in other places; no harm where the boxes stay as near to the float network's.
    if share < LEAST_SHARE and equal_boxes(floating, got, least) < equal_boxes(floating, wanted, least):
        raise RunnerError(f"{path}: has only {share:.1%} of the boxes of the network it was written from.")
    return share
