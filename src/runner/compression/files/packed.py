"""The packed file: coded weights and all other tensors of a network, read into a model that never had float weights."""

import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.meta import Build, assign, built_on_meta, unfilled
from runner.compression.modules import place
from runner.compression.quantization.weights.casting import Casting
from runner.compression.quantization.weights.float8 import Float8Weight
from runner.compression.quantization.weights.layers import CodedLayer, coded
from runner.compression.quantization.weights.network import WeightOnlyNetwork
from runner.compression.quantization.weights.shared import SharedWeight
from runner.compression.quantization.weights.stored import PackedWeight, StoredWeight
from runner.errors import RunnerError
from runner.files import write_bytes
from runner.files.reading import BYTES, check_zip, parse_json

FORMAT = "runner.packed.1"
KINDS: dict[str, type[StoredWeight]] = {"packed": PackedWeight, "shared": SharedWeight, "float8": Float8Weight}
# aten._weight_int8pack_mm reads 16 bytes at once and ends the process where they do not begin at a multiple (torch
# 2.14.1); all other numbers are aligned by coming in order of their width.
ALIGNED = {torch.int8: 16}
# What reading a file that is damaged, cut off or no packed file at all may raise.
DAMAGED = (RuntimeError, ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, zlib.error)


@dataclass(frozen=True)
class Header:
    """What a packed file says of itself.

    Attributes:
        recipe, title, remarks, dense_bytes, settings: as WeightOnlyNetwork has them.
        dtype: the number format of the whole network (see Casting); None for float32.
        layers: how layers are coded: kind of weight, its settings, activation, and the names of those coded so.
        tensors: name, dtype and shape of each, in the order in which they lie in the file.
        metadata: the caller's own plain values.
    """

    recipe: str
    title: str
    remarks: list[str]
    dense_bytes: int
    settings: dict[str, Any]
    dtype: str | None
    layers: list[tuple[str, dict[str, Any], str, list[str]]]
    tensors: list[tuple[str, str, list[int]]]
    metadata: dict[str, Any] = field(default_factory=dict)


def save_packed(network: WeightOnlyNetwork, path: Path, metadata: dict[str, Any] | None = None) -> Path:
    """Write `network` to `path` in one step, with `metadata` (plain values).

    All tensors lie in one piece, the widest numbers first: a piece of its own costs a small one more than its numbers.
    """
    inner, dtype = network.network, None
    if isinstance(inner, Casting):
        inner, dtype = inner.network, str(inner.dtype).removeprefix("torch.")
    tensors = sorted(file_tensors(inner).items(), key=lambda named: -named[1].element_size())
    kept = [(name, str(each.dtype).removeprefix("torch."), [*each.shape]) for name, each in tensors]
    header = Header(
        network.recipe,
        network.title,
        network.remarks,
        network.dense_bytes,
        network.settings,
        dtype,
        coded_layers(inner),
        kept,
        metadata or {},
    )
    text = zlib.compress(json.dumps(asdict(header)).encode(), 9)
    content = {
        "format": FORMAT,
        "header": torch.frombuffer(bytearray(text), dtype=torch.uint8),
        "tensors": joined([each for _, each in tensors]),
    }
    archive = io.BytesIO()
    torch.save(content, archive)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, archive.getvalue())
    return path


def load_packed(path: Path, build: Build) -> WeightOnlyNetwork:
    """Return the network saved at `path`, bit for bit; `build()` makes the dense one, under torch.device("meta").

    The file is mapped into memory and checked as a whole first. No float weight is ever made for a coded layer.

    Raises:
        RunnerError: missing, damaged, not a packed file, or of another network than `build` makes.
    """
    header, tensors = read(path)
    network = built_on_meta(build)
    if header.dtype is not None:
        network = network.to(getattr(torch, header.dtype))
    try:
        left = dict(tensors)
        for kind, settings, activation, names in header.layers:
            for name in names:
                put_coded(network, name, KINDS[kind], settings, activation, left)
        assign(network, left)
    except DAMAGED as error:
        raise RunnerError(f"{path} does not fit {type(network).__name__}, as this run builds it: {error}.") from error
    if lacking := unfilled(network):
        raise RunnerError(f"{path} does not fit {type(network).__name__}: it lacks {', '.join(lacking)}.")
    whole = network if header.dtype is None else Casting(network, getattr(torch, header.dtype))
    return WeightOnlyNetwork(whole, header.recipe, header.title, header.remarks, header.dense_bytes, header.settings)


def put_coded(
    network: nn.Module,
    name: str,
    kind: type[StoredWeight],
    settings: Mapping[str, Any],
    activation: str,
    tensors: dict[str, Tensor],
) -> None:
    """Put a coded layer in the place of the dense one called `name`, taking its part out of `tensors`."""
    dense = network.get_submodule(name)
    if not isinstance(dense, (nn.Linear, nn.Conv2d)):
        raise ValueError(f"{name} is a {type(dense).__name__}, not a Linear or Conv2d")
    start = f"{name}.weight."
    own = {each.removeprefix(start): tensors.pop(each) for each in [*tensors] if each.startswith(start)}
    place(network, dense, coded(dense, kind.restored(dense.weight.shape, settings, own), activation))


def read(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Header and tensors by name, mapped into memory; RunnerError for a file that is missing, damaged or foreign."""
    if not path.is_file():
        raise RunnerError(f"There is no file {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            check_zip(archive, ratio=4)
            if broken := archive.testzip():
                raise ValueError(f"checksum of {broken}")
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # whatever torch's own reader meets
        raise RunnerError(f"{path} is damaged or no packed file ({error}); export it again.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RunnerError(f"{path} is no packed file of this runner ({FORMAT}).")
    try:
        header = Header(**parse_json(inflated(content["header"].numpy().tobytes())))
        return header, dict(cut(content["tensors"], header.tensors))
    except DAMAGED as error:
        raise RunnerError(f"{path} is damaged ({type(error).__name__}: {error}); export it again.") from error


def inflated(content: bytes) -> bytes:
    """Return a header as text; raises ValueError where it is larger than any, before it takes the memory."""
    opener = zlib.decompressobj()
    text = opener.decompress(content, BYTES)
    if opener.unconsumed_tail or not opener.eof:
        raise ValueError("its header is cut off, or larger than any")
    return text


def joined(tensors: Iterable[Tensor]) -> Tensor:
    """Return the bytes of `tensors` one after the other, uint8 (bytes,)."""
    parts: list[Tensor] = []
    end = 0
    for tensor in tensors:
        gap = torch.zeros(missing(end, tensor.dtype), dtype=torch.uint8)
        parts += [gap, tensor.reshape(-1).view(torch.uint8)]
        end += len(gap) + tensor.nbytes
    return torch.cat(parts)


def missing(start: int, dtype: torch.dtype) -> int:
    """Return bytes from `start` to where numbers of this dtype may begin."""
    return -start % ALIGNED.get(dtype, 1)


def cut(piece: Tensor, kept: Iterable[tuple[str, str, list[int]]]) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor of the file by name, as views of the piece of bytes that they lie in."""
    start = 0
    for name, dtype, shape in kept:
        numbers: torch.dtype = getattr(torch, dtype)
        start += missing(start, numbers)
        end = start + torch.Size(shape).numel() * numbers.itemsize
        yield name, piece[start:end].view(numbers).view(shape)
        start = end


def file_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return what is saved of every module: stored weights in their own way, else parameters and buffers.

    Shared ones once.
    """
    found: dict[str, Tensor] = {}
    seen: dict[int, Tensor] = {}  # by id, and kept: the id of a tensor that is gone may be another's
    for path, module in network.named_modules():
        own = module.tensors() if isinstance(module, StoredWeight) else {**module._parameters, **module._buffers}
        for key, tensor in own.items():
            if tensor is not None and id(tensor) not in seen:
                seen[id(tensor)] = tensor
                found[f"{path}.{key}".removeprefix(".")] = tensor.detach().cpu()
    return found


def coded_layers(network: nn.Module) -> list[tuple[str, dict[str, Any], str, list[str]]]:
    """See Header.layers."""
    grouped: dict[str, tuple[str, dict[str, Any], str, list[str]]] = {}
    for name, module in network.named_modules():
        if isinstance(module, CodedLayer):
            kind = next(kind for kind, each in KINDS.items() if type(module.weight) is each)
            how = (kind, module.weight.settings, module.computes)
            grouped.setdefault(json.dumps(how), (*how, []))[3].append(name)
    return list(grouped.values())
