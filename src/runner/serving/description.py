"""Description: all that must be known of an exported network to answer with it, as plain values."""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from runner.compression.constraints import mistakes
from runner.errors import RunnerError
from runner.files.reading import MEGABYTE, parse_json, read_bytes

# Of the file; a newer one says what this version can't know.
VERSION = 1
# Below this a file does not answer what it answered when it was written; as the export has it.
LEAST_SQNR_DB = 25.0
LARGEST = 256 * MEGABYTE

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Check:
    """A batch, and what the file answered to it when it was written; arrays as `packed` makes them."""

    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]


@dataclass(frozen=True)
class Description:
    """One exported network.

    Attributes:
        name: what it is called in addresses.
        task: the name of the task, and `takes`, the kind of data.
        format: of the file, and `file`, where it lies; with its `sha256`.
        network: what the run calls it (float, int8).
        inputs, outputs: the structures; see `measure.nested.describe`.
        intake: what becomes of files and values that are sent; None where the run's own data must read them.
        answers: what becomes of the outputs; None where the run's own task must say it.
        classes: names, where there are classes.
        metrics: what the run reached, by name.
        batch: the one batch size that the file takes; None for any.
        alone: whether a sample is answered differently beside others, as numbers quantized for a batch at a time are.
        check: None where the file was written by a version that kept none.
        about: what a person should know: how the file was chosen, what it was measured at.
    """

    name: str
    task: str
    takes: str
    format: str
    network: str
    file: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    sha256: str = ""
    intake: dict[str, Any] | None = None
    answers: dict[str, Any] | None = None
    classes: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    batch: int | None = None
    alone: bool = False
    check: Check | None = None
    about: str = ""

    def as_plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any], where: str) -> "Description":
        """Return what `as_plain` gave; raises RunnerError where it is of a newer version, or damaged."""
        values = {key: value for key, value in plain.items() if key != "version"}
        refuse_newer(plain, where)
        try:
            check = values.pop("check")
            if wrong := mistakes(cls, values):
                raise TypeError(" ".join(wrong))
            return cls(**values, check=Check(**check) if check else None)
        except (TypeError, KeyError) as error:
            raise RunnerError(
                f"{where}: damaged, or of another version ({error}). Export or package it again."
            ) from None


def read_plain(path: Path) -> dict[str, Any]:
    """Return the values of a file of this kind; raises RunnerError where it is damaged or newer."""
    try:
        plain = parse_json(read_bytes(path, LARGEST))
    except (OSError, ValueError) as error:
        raise RunnerError(f"{path}: can't be read ({error}). Export or package it again.") from None
    if not isinstance(plain, dict):
        raise RunnerError(f"{path}: damaged. Export or package it again.")
    refuse_newer(plain, str(path))
    return plain


def refuse_newer(plain: dict[str, Any], where: str) -> None:
    """Raise RunnerError for values that a newer version wrote."""
    if plain.get("version") != VERSION:
        raise RunnerError(
            f"{where}: of version {plain.get('version')}, and this runner knows {VERSION}. Serve it with the version "
            "that wrote it, or export it again with this one."
        )


def packed(array: Array) -> dict[str, Any]:
    """Return an array as JSON has it."""
    content = zlib.compress(np.ascontiguousarray(array).tobytes(), 6)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": base64.b64encode(content).decode()}


def unpacked(plain: dict[str, Any]) -> Array:
    """Return what `packed` gave; raises RunnerError where it is damaged."""
    try:
        shape = tuple(map(int, plain["shape"]))
        dtype = np.dtype(plain["dtype"])
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if not 0 <= size <= LARGEST:
            raise ValueError(f"{size:,} bytes")
        reader = zlib.decompressobj()
        content = reader.decompress(base64.b64decode(plain["data"]), size)
        return np.frombuffer(content, dtype=dtype).reshape(shape)
    except (KeyError, TypeError, ValueError, OverflowError, zlib.error) as error:
        raise RunnerError(f"What a file was checked with is damaged ({error}). Export it again.") from None


def agreement(wanted: Sequence[Array], got: Sequence[Array]) -> float:
    """Return the lowest SQNR of outputs against those wanted, in dB, at most 200; as `measure.error.sqnr` has it."""
    found = [200.0]
    for one, two in zip(wanted, got, strict=True):
        if one.shape != two.shape:
            return 0.0
        signal = float(np.square(one.astype(np.float64)).mean())
        noise = float(np.square(one.astype(np.float64) - two.astype(np.float64)).mean())
        if noise:
            found.append(10 * float(np.log10(signal / noise)) if signal else 0.0)
    return min(found)
