"""Which of the known file formats a run writes, and which of them a file has."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from runner.compression.files.file_format import FileFormat, Program
from runner.compression.network import FLOAT, WEIGHTS
from runner.errors import RunnerError, did_you_mean
from runner.measure import nested
from runner.measure.nested import Nested

Known = Mapping[str, FileFormat]


def chosen(
    known: Known,
    names: str | list[str],
    lowering: str | None = None,
    kind: str = FLOAT,
    structured: Callable[[], bool] = lambda: False,
    captured: bool = True,
) -> list[str]:
    """Return the formats of `export.formats`: a list of names, or `auto` for all that can be had here.

    Args:
        known: the formats by name.
        names: as configured.
        lowering: who runs programs of the back end (inductor, executorch, openvino; elsewhere, where it takes another
            machine); None for a float network.
        kind: the kind of program.
        structured: tells whether the network takes or gives several tensors; asked only where that decides.
        captured: whether torch.export can capture the network.

    Raises:
        RunnerError: an unknown name, one whose packages are missing, or one that cannot hold this kind of program.
    """
    if names == "auto":
        fitting = [name for name, each in known.items() if each.lowering in (None, lowering or "inductor")]
        fitting = [name for name in fitting if captured or known[name].traces]
        holding = [name for name in fitting if kind in known[name].kinds and not known[name].missing]
        return [name for name in holding if known[name].structured or not structured()]
    for name in names:
        if name not in known:
            raise RunnerError(
                f"export.formats: no format {name}.{did_you_mean(name, known)} Known: {', '.join(known)}."
            )
        if known[name].missing:
            raise RunnerError(f"export.formats: {name} needs {', '.join(known[name].missing)}: {known[name].install}")
        if kind not in known[name].kinds:
            able = ", ".join(other for other, each in known.items() if kind in each.kinds)
            what = {WEIGHTS: "weights in few bits", FLOAT: "float networks"}.get(kind, f"{kind} int8 programs")
            raise RunnerError(f"export.formats: {name} cannot hold {what}; these can: {able}.")
        if not (captured or known[name].traces):
            able = ", ".join(other for other, each in known.items() if each.traces)
            raise RunnerError(
                f"export.formats: {name} cannot hold a network in which sizes depend on what is in the images; these "
                f"can: {able}."
            )
        if not known[name].structured and structured():
            able = ", ".join(other for other, each in known.items() if each.structured and kind in each.kinds)
            raise RunnerError(
                f"export.formats: {name} files of this runner hold networks of one tensor in and one out, and this one "
                f"takes or gives several; these can: {able}."
            )
    return list(names)


def is_structured(network: nn.Module, example: Nested) -> bool:
    """Return whether a network takes or gives anything but one tensor; draws no random numbers."""
    if not nested.is_single(example):
        return True
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        return not nested.is_single(network(example))


def run_in_batches(batch: int | None, program: Program, inputs: Nested, size: int) -> Nested:
    """Return the outputs for all `inputs` (N, …), in batches of the one size that a format takes, else of `size`."""
    with torch.no_grad():
        return nested.concatenate([program(part) for part in nested.split(inputs, batch or size)])


def format_of(known: Known, path: Path) -> str:
    """Return the format a file's name ends in.

    Raises:
        RunnerError: none of them.
    """
    fitting = [name for name, each in known.items() if path.name.endswith(each.suffix)]
    if not fitting:
        endings = ", ".join(each.suffix for each in known.values())
        raise RunnerError(f"{path}: not a file that can be run; known endings: {endings}.")
    return max(fitting, key=lambda name: len(known[name].suffix))
