"""Look through a torch.export file before torch sees it: known members, plain tensors, operators and arithmetic.

`torch.export.load` unpickles sample inputs, legacy weights and constants, opaque constants and whatever its JSON calls
a pickle; it looks operators up in all of torch, imports what a structure calls an enumeration, and evaluates sizes. A
file that was written by this project needs none of that.
"""

import json
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch._ops import OpOverload

from runner.compression.files.archive import BYTES
from runner.errors import RunnerError
from runner.files.reading import check_zip, parse_json

METADATA = "extra/runner.json"
GRAPH = "models/model.json"
TENSORS = {
    "data/weights/model_weights_config.json": ("data/weights", "weight"),
    "data/constants/model_constants_config.json": ("data/constants", "tensor"),
}
# Written by torch for the sample inputs, of which a file of ours has none.
EMPTY = "data/sample_inputs/model.pt"
SMALL = ("archive_format", "archive_version", "byteorder", "version", ".data/version", ".data/serialization_id")
MEMBER = re.compile(r"data/weights/weight_\d+|data/constants/tensor_\d+")
# Bytes of JSON, of a small member, and of all members together: more is no network of this project.
MOST_JSON, MOST_SMALL, MOST = 2**28, 2**12, 2**34
# Values of a graph and their nesting; so many times its bytes may a file unpack to, for zeros of pruning deflate well.
MOST_VALUES, MOST_DEPTH, RATIO = 10_000_000, 100, 250
PICKLED = "{} holds pickled objects ({}), which may run code when loaded; it is refused."

# Sizes are kept as text, which torch.export.load hands to sympy, which evaluates it: allow arithmetic only.
_SAFE = re.compile(r"[A-Za-z0-9_ +\-*/().,<>=']*")
_CALL, _ATTRIBUTE = re.compile(r"(\w+)\s*\("), re.compile(r"[A-Za-z_)']\s*\.")
_CALLS = {
    *("Symbol", "Integer", "Mul", "Add", "Mod", "PythonMod", "FloorDiv", "CleanDiv", "CeilDiv", "Max", "Min"),
    *("Eq", "Ne", "Le", "Lt"),
}
# Operators of Python on sizes, and torch's that call parts of the same graph; anything else is an operator overload.
_PYTHON = re.compile(
    r"_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|getitem|lt|le|gt|ge|eq|ne|and_|or_|not_|xor)"
    r"|math\.(ceil|floor|sqrt|trunc)|torch\.sym_(int|float|max|min|not|ite|sum|sqrt)"
    r"|torch\.ops\.higher_order\.(cond|while_loop|map_impl|scan|associative_scan)"
    r"|torch\.ops\.higher_order\.wrap_with_(set_grad_enabled|autocast)"
)
_OVERLOAD = re.compile(r"torch\.ops\.([a-z]\w*)\.(\w+)\.(\w+)")
# Operators that read, write or print rather than compute.
_ACTING = {"aten::from_file", "aten::_print", "aten::save", "aten::_assert_async"}
# Kinds of containers that a structure of inputs and outputs may name.
_CONTAINERS = {None, "builtins.list", "builtins.tuple", "builtins.dict"}


def read_members(path: Path) -> dict[str, Any]:
    """Return the parsed JSON members of the file at `path` by their names, after checking all of the file.

    Raises:
        RunnerError: damaged, not written by this project, or holding what could execute code.
        OSError, ValueError, zipfile.BadZipFile: no readable archive.
    """
    with zipfile.ZipFile(path) as archive:
        check_zip(archive, RATIO)
        sizes = member_sizes(path, archive)
        if broken := archive.testzip():
            raise zipfile.BadZipFile(f"checksum of {broken}")
        prefix = archive.namelist()[0].split("/")[0]
        names = [name for name in sizes if name.endswith(".json")]
        parsed = {name: parse_json(archive.read(f"{prefix}/{name}"), MOST_VALUES, MOST_DEPTH) for name in names}
    check_tensors(path, parsed, sizes)
    refuse_code(path, GRAPH, parsed.get(GRAPH))
    return parsed


def member_sizes(path: Path, archive: zipfile.ZipFile) -> dict[str, int]:
    """Return the bytes of every member by its name within the archive's folder.

    Raises:
        RunnerError: a member that no file of this project has, twice the same one, or too much of one.
    """
    sizes: dict[str, int] = {}
    folders = {info.filename.partition("/")[0] for info in archive.infolist()}
    for info in archive.infolist():
        name = info.filename.partition("/")[2]
        if name.startswith("data/aotinductor/"):
            raise RunnerError(
                f"{path} is an AOTInductor package, which is native code, and no program of torch.export."
            )
        known = name in (METADATA, GRAPH, EMPTY, *TENSORS, *SMALL) or MEMBER.fullmatch(name)
        if not known or name in sizes or len(folders) > 1:
            raise RunnerError(f"{path} was not written by this runner: it holds {info.filename!r}; it is refused.")
        if name == EMPTY and info.file_size:
            raise RunnerError(PICKLED.format(path, name))
        most = MOST_JSON if name.endswith(".json") else MOST_SMALL if name in SMALL else MOST
        sizes[name] = info.file_size
        if info.file_size > most or sum(sizes.values()) > MOST:
            raise RunnerError(f"{path}: {name} would take {info.file_size:,} bytes; it is refused.")
    return sizes


def check_tensors(path: Path, parsed: dict[str, Any], sizes: dict[str, int]) -> None:
    """Refuse tensors that are pickled, of a kind that is unpickled, or larger than what the file holds of them."""
    for name, (folder, kind) in TENSORS.items():
        for described in parsed.get(name, {}).get("config", {}).values():
            if described["use_pickle"]:
                raise RunnerError(PICKLED.format(path, name))
            place, meta = described["path_name"], described["tensor_meta"]
            held = sizes.get(f"{folder}/{place}")
            if held is None or not str(place).startswith(f"{kind}_") or not isinstance(meta, dict):
                raise RunnerError(f"{path} holds a tensor {place!r} that is no plain one; it is refused.")
            wanted = math.prod(int(each["as_int"]) for each in meta["sizes"])
            if wanted < 0 or (wanted > 0 and held == 0) or (meta["dtype"] not in BYTES and wanted > MOST):
                raise RunnerError(
                    f"{path}: a tensor of {wanted:,} numbers has {held:,} bytes in the file; it is refused."
                )


def refuse_code(path: Path, name: str, graph: Any) -> None:
    """Refuse operators that are none, sizes that aren't plain arithmetic, and structures that name other classes."""
    for node in nodes(graph):
        if node.get("use_pickle"):
            raise RunnerError(PICKLED.format(path, name))
        text = node.get("expr_str")
        if isinstance(text, str) and not arithmetic(text):
            raise RunnerError(f"{path} holds a size that is no arithmetic ({text[:60]!r}); it is refused.")
        if "target" in node and "inputs" in node and not is_operator(node["target"]):
            raise RunnerError(f"{path} calls {str(node['target'])[:60]!r}, which is no operator; it is refused.")
        for key in ("in_spec", "out_spec"):
            if isinstance(node.get(key), str) and not plain_structure(parse_json(node[key])):
                raise RunnerError(f"{path} holds a structure of other classes ({node[key][:60]!r}); it is refused.")


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping in parsed JSON, however deep."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def arithmetic(text: str) -> bool:
    """Return whether a size is an expression of numbers, symbols and a few functions of them."""
    plain = _SAFE.fullmatch(text) and "__" not in text and not _ATTRIBUTE.search(text)
    return bool(plain) and {*_CALL.findall(text)} <= _CALLS


def is_operator(target: Any) -> bool:
    """Return whether a node's target computes: an overload of a registered operator, or Python's own on sizes."""
    if not isinstance(target, str):
        return False
    if _PYTHON.fullmatch(target):
        return True
    if not (parts := _OVERLOAD.fullmatch(target)):
        return False
    namespace, name, overload = parts.groups()
    found = getattr(getattr(getattr(torch.ops, namespace), name, None), overload, None)
    return isinstance(found, OpOverload) and f"{namespace}::{name}" not in _ACTING


def plain_structure(spec: Any) -> bool:
    """Return whether a serialized tree of containers has lists, tuples and dicts with text keys only."""
    for node in nodes(spec):
        if node.get("type") not in _CONTAINERS or "__enum__" in json.dumps(node.get("context")):
            return False
    return True
