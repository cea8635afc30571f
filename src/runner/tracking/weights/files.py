"""Files of weights, of this runner's and of other tools: torch's and safetensors', whole or in pieces, never pickle."""

import argparse
import pickle
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from runner.errors import RunnerError
from runner.files.reading import check_zip, parse_json, read_bytes

SAFETENSORS, INDEX = ".safetensors", ".index.json"
SUFFIXES = (".ckpt", ".pt", ".pth", ".bin", ".tar", ".th", ".json", SAFETENSORS)
# What a folder of weights is looked for, in this order, as libraries name them.
IN_FOLDERS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "weights.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# The steps that made a network smaller, in the header of a safetensors file that this runner wrote.
STRUCTURE = "structure"
# Unpacked, a file has no more than this many times its bytes; so has a tensor of what it holds of it, but for so many
# bytes of all of them together.
STORED, SPARE = 4, 2**30
PLAIN_ONLY = "save its weights alone where its code is, torch.save(model.state_dict(), FILE), and start from that file"


def read(path: Path) -> dict[str, Any]:
    """Return what a file of weights holds: tensors by name, nested as they were saved, on the CPU.

    A safetensors file, an index of several (`*.index.json`), or what `torch.save` wrote, read with
    `weights_only=True`.

    Raises:
        RunnerError: missing, damaged, no weights, or more than plain data, which only running its code would read.
    """
    if not path.is_file():
        raise RunnerError(f"{path}: there is no such checkpoint.")
    if path.name.endswith(INDEX):
        return pieces(path)
    if path.suffix == SAFETENSORS:
        return safe(path)
    return saved(path)


def in_folder(folder: Path) -> Path | None:
    """Return the file of weights that a folder holds under a usual name; None without one."""
    return next((folder / name for name in IN_FOLDERS if (folder / name).is_file()), None)


def safe(path: Path) -> dict[str, Any]:
    """Return the tensors of a safetensors file; as `state_dict` where its header tells a `structure` beside it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = file.metadata() or {}
        structure = list(parse_json(header.get(STRUCTURE, "[]")))
        if not all(isinstance(step, dict) for step in structure):
            raise ValueError("its header tells no steps to a structure")
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise RunnerError(f"{path}: damaged, or no safetensors file ({first_line(error)}).") from None
    return {"state_dict": tensors, STRUCTURE: structure} if structure else tensors


def pieces(path: Path) -> dict[str, Any]:
    """Return the tensors of all files that an index names; they lie beside it.

    Raises:
        RunnerError: the index is none, or a file or a tensor that it names is not there.
    """
    try:
        places: dict[str, str] = {
            name: str(file) for name, file in dict(parse_json(read_bytes(path))["weight_map"]).items()
        }
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RunnerError(f"{path}: no index of weights, it lacks a weight_map ({first_line(error)}).") from None
    if outside := [name for name in places.values() if Path(name).name != name]:
        raise RunnerError(f"{path}: names files outside its own folder ({outside[0]}), which are not read.")
    found: dict[str, Any] = {}
    for name in dict.fromkeys(places.values()):
        if not (path.parent / name).is_file():
            raise RunnerError(f"{path}: names {name}, which is not beside it.")
        content = read(path.parent / name)
        found |= content.get("state_dict", content)
    if lacking := [name for name in places if name not in found]:
        raise RunnerError(f"{path}: {lacking[0]} is not in {places[lacking[0]]}.")
    return {name: found[name] for name in places}


def saved(path: Path) -> dict[str, Any]:
    """Return what `torch.save` wrote to a file.

    Raises:
        RunnerError: see `read`.
    """
    try:
        # The command line that scripts save beside their weights is plain values with names.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verify(path)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RunnerError(f"{path}: {needs_code(path, error)}") from None
    except (KeyError, IndexError, AttributeError, TypeError, AssertionError):  # torch's reader, in what is no pickle
        raise RunnerError(f"{path}: the checkpoint is damaged, or torch.save did not write it.") from None
    except (RuntimeError, EOFError, OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        if "TorchScript" in str(error):
            raise RunnerError(f"{path}: a TorchScript program, not weights; {PLAIN_ONLY}.") from None
        raise RunnerError(f"{path}: the checkpoint is damaged, or holds no weights ({first_line(error)}).") from None
    refuse_swollen(content, path)
    if not isinstance(content, Mapping):
        raise RunnerError(f"{path}: holds a {type(content).__name__}, not weights by their names; {PLAIN_ONLY}.")
    if not isinstance(content.get("state_dict", {}), Mapping):
        raise RunnerError(f"{path}: its state_dict holds no weights by their names; {PLAIN_ONLY}.")
    return dict(content) if not isinstance(content, dict) else content


def refuse_swollen(content: Any, path: Path) -> None:
    """Raise RunnerError where tensors stand for far more numbers than the file holds: a copy would take them."""
    waiting, swollen = [content], 0
    while waiting:
        one = waiting.pop()
        if isinstance(one, torch.Tensor) and one.layout is torch.strided:
            stored = one.untyped_storage().nbytes()
            swollen += max(one.numel() * one.element_size() - STORED * stored, 0)
            if swollen > SPARE:
                raise RunnerError(
                    f"{path}: a tensor of {one.numel():,} numbers has {stored:,} bytes in it; not loaded."
                )
        elif isinstance(one, (Mapping, list, tuple)):
            waiting += one.values() if isinstance(one, Mapping) else one


def verify(path: Path) -> None:
    """Compare a file with the checksums that it carries, if any; torch loads one with a flipped bit without a word.

    Raises:
        zipfile.BadZipFile, zlib.error: a part of it is not what was written.
        ValueError: it would unpack to far more than it is; torch.save compresses nothing.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_zip(archive, STORED)
            if broken := archive.testzip():
                raise zipfile.BadZipFile(f"the checksum of {broken} is wrong")


def needs_code(path: Path, error: Exception) -> str:
    """Return why a file is not read with `weights_only=True`, and the way out."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:
        names = []
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return (
            f"holds more than plain data ({names[0]}{more}) and is not loaded, for reading it would run code. "
            f"If you trust it, {PLAIN_ONLY}."
        )
    return f"damaged, or holds more than plain data and is not loaded ({first_line(error)})."


def first_line(error: Exception) -> str:
    """Return the first line of what a library said."""
    return next(iter(str(error).splitlines()), "") or "the file ends too early"
