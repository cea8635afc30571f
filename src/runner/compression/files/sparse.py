"""Sparse files: a network with many zeros written as which weights there are and what they are, deflated."""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.errors import RunnerError
from runner.files import write_bytes

INDEX = "index.json"
SPARSE, DENSE = "bitmap and values", "values"
# More than an entry of the index takes: a name, a shape, a type and a coding.
INDEX_BYTES = 2000


def save_sparse(tensors: Mapping[str, Tensor], path: Path) -> int:
    """Write tensors (a `state_dict`) to a zip archive with deflated entries; returns the bytes of the file.

    A tensor for which it is shorter is written as a bitmap, one bit a value, of what is not zero, and the values that
    are not; any other as all its values. Both little-endian, in order of the indices (the last one fastest).
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        index: dict[str, dict[str, Any]] = {}
        for name, tensor in tensors.items():
            flat = tensor.detach().cpu().contiguous().flatten()
            there = flat != 0
            coding = SPARSE if _worthwhile(flat, int(there.sum())) else DENSE
            index[name] = {
                "shape": list(tensor.shape),
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "coding": coding,
            }
            if coding == SPARSE:
                target.writestr(f"{name}.bitmap", pack(there))
            target.writestr(f"{name}.values", _bytes(flat[there] if coding == SPARSE else flat))
        target.writestr(INDEX, json.dumps(index))
    write_bytes(path, archive.getvalue())
    return len(archive.getvalue())


def load_sparse(path: Path, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that `save_sparse` wrote, bit for bit (a zero's sign aside).

    Args:
        path: the file.
        like: tensors (on any device, meta included) of the names, shapes and types that the file must have. Nothing
            is unpacked before it is known to be as large as these, so that no file can ask for more memory.

    Raises:
        RunnerError: no such file, a damaged one, or one of another network.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(INDEX).file_size > INDEX_BYTES * (len(like) + 1):
                raise ValueError("its index is too long for this network")
            index = json.loads(archive.read(INDEX))
            _check_same(index, like)
            return {name: _read(archive, name, entry) for name, entry in index.items()}
    except FileNotFoundError:
        raise RunnerError(f"There is no file {path}.") from None
    except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, ValueError, RuntimeError, EOFError, OSError) as error:
        raise RunnerError(f"{path} is damaged or no sparse file ({error}); write it again.") from error


def dense_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Return what the values of the tensors take uncompressed."""
    return sum(each.numel() * each.element_size() for each in tensors.values())


def verdict(share_of_zeros: float, dense: int, sparse: int) -> str:
    """Return what setting weights to zero saved, and what it did not."""
    return (
        f"{share_of_zeros:.1%} of the weights are zero. A dense program takes as long as before, and its file is as "
        f"large: {dense:,} bytes of values. Only a sparse file is smaller: {sparse:,} bytes as bitmap and values, "
        "deflated. For fewer multiply-accumulates use pruning=channel."
    )


def pack(bits: Tensor) -> bytes:
    """Booleans (n,) as ceil(n / 8) bytes, the first of eight in the lowest bit."""
    padded = torch.nn.functional.pad(bits.to(torch.uint8), (0, -len(bits) % 8)).view(-1, 8)
    return _bytes((padded << torch.arange(8, dtype=torch.uint8)).sum(1, dtype=torch.uint8))


def unpack(packed: bytes, count: int) -> Tensor:
    """Return the booleans (count,) that `pack` packed."""
    found = _values(packed, torch.uint8)[:, None] >> torch.arange(8, dtype=torch.uint8)
    return (found & 1).flatten()[:count].bool()


def _worthwhile(flat: Tensor, present: int) -> bool:
    return -(-len(flat) // 8) + present * flat.element_size() < len(flat) * flat.element_size()


def _bytes(flat: Tensor) -> bytes:
    return flat.contiguous().view(torch.uint8).numpy().tobytes()


def _values(content: bytes, dtype: torch.dtype) -> Tensor:
    # frombuffer refuses an empty buffer
    return torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)


def _check_same(index: Any, like: Mapping[str, Tensor]) -> None:
    """Raise ValueError where the index names other tensors than those of `like`, or others of their names."""
    if not isinstance(index, dict) or index.keys() != like.keys():
        raise ValueError("it holds the weights of another network")
    for name, tensor in like.items():
        wanted = [*tensor.shape], str(tensor.dtype).removeprefix("torch.")
        if (index[name]["shape"], index[name]["dtype"]) != wanted:
            raise ValueError(f"{name} is {index[name]['dtype']} {index[name]['shape']}, not {wanted[1]} {wanted[0]}")


def _read(archive: zipfile.ZipFile, name: str, entry: dict[str, Any]) -> Tensor:
    dtype, count = getattr(torch, entry["dtype"]), torch.Size(entry["shape"]).numel()
    present, sparse = count, entry["coding"] == SPARSE
    if sparse:
        there = unpack(_entry(archive, f"{name}.bitmap", -(-count // 8)), count)
        present = int(there.sum())
    values = _values(_entry(archive, f"{name}.values", present * dtype.itemsize), dtype)
    if sparse:
        values = torch.zeros(count, dtype=dtype).masked_scatter_(there, values)
    return values.reshape(entry["shape"])


def _entry(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    """Return an entry of `size` bytes; raise ValueError, before anything is unpacked, where it has another size."""
    if archive.getinfo(name).file_size != size:
        raise ValueError(f"{name} has {archive.getinfo(name).file_size} bytes, not {size}")
    return archive.read(name)
