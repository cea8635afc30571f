"""Save an int8 program as a torch.export file and load it in another process, without unpickling anything."""

import copy
import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torchao
from torch import nn
from torch.export import ExportedProgram
from torch.fx import GraphModule
from torch.utils import _pytree as pytree

from runner.compression.files.archive import deflated
from runner.errors import RunnerError
from runner.files import write_bytes
from runner.measure import nested
from runner.measure.nested import Nested

METADATA = "runner.json"
# Where a node came from: good for debugging, of no use to who loads the file.
ORIGINS = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node", "torch_fn")
# Sizes are kept as text, which torch.export.load hands to sympy, which evaluates it: allow arithmetic only.
_SAFE = re.compile(r"[A-Za-z0-9_ +\-*/().,<>=']*")
_CALL, _ATTRIBUTE = re.compile(r"(\w+)\s*\("), re.compile(r"[A-Za-z_)']\s*\.")
_CALLS = {
    "Symbol",
    "Integer",
    "Mul",
    "Add",
    "Mod",
    "PythonMod",
    "FloorDiv",
    "CleanDiv",
    "CeilDiv",
    "Max",
    "Min",
    "Eq",
    "Ne",
    "Le",
    "Lt",
}


@dataclass(frozen=True)
class Artifact:
    """A loaded program: `program` answers inputs (N, ...) as a module; `metadata` is what was saved with it."""

    program: nn.Module
    metadata: dict[str, Any] = field(default_factory=dict)


def export_program(program: nn.Module, example: Nested) -> ExportedProgram:
    """`program` as a torch.export program, with a dynamic batch; `example` is one batch (N, ...)."""
    if isinstance(program, GraphModule):  # a copy keeps what the graph uses: not the float weights it replaced
        program = GraphModule(program, copy.deepcopy(program.graph))
    with torch.no_grad():
        exported = torch.export.export(
            program, (nested.two_of(example),), dynamic_shapes=nested.dynamic_batch(example), strict=True
        )
    exported.example_inputs = None
    for node in exported.graph.nodes:  # half of a small file, and paths of this machine
        for key in ORIGINS:
            node.meta.pop(key, None)
    return exported


def save_program(program: nn.Module, example: Nested, path: Path, metadata: dict[str, Any] | None = None) -> Path:
    """Write `program` to `path` (a .pt2 file) with JSON metadata: versions, input shape and dtype, and `metadata`."""
    exported = export_program(program, example)
    details = {
        "torch": torch.__version__,
        "torchao": torchao.__version__,
        **shapes_of(example),
        **interface(exported, example),
        **(metadata or {}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    archive = io.BytesIO()
    torch.export.save(exported, archive, extra_files={METADATA: json.dumps(details)})
    write_bytes(path, deflated(archive))
    return path


def shapes_of(example: Nested) -> dict[str, Any]:
    """Return what files say of a single input, a sample's shape and dtype; nothing of several, see `interface`."""
    if not nested.is_single(example):
        return {}
    return {"input_shape": list(example.shape[1:]), "input_dtype": str(example.dtype).removeprefix("torch.")}


def interface(exported: ExportedProgram, example: Nested) -> dict[str, Any]:
    """Return the structures of inputs and outputs as `nested.describe` tells them: names, order, dtypes, shapes."""
    values = [each.meta["val"] for each in exported.graph.output_node().args[0]]
    outputs = pytree.tree_unflatten(values, exported.call_spec.out_spec)
    return {"inputs": nested.describe(example), "outputs": nested.describe(outputs)}


def load_program(path: Path) -> Artifact:
    """Return the artifact saved at `path`; bit-exact.

    RunnerError: missing, damaged, of another torch or torchao version, or holding pickled objects, which
    could run code.
    """
    import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer  # noqa: F401 - operators and int8 patterns

    metadata = inspect_program(path)
    try:
        program = torch.export.load(path).module(check_guards=False)
    except Exception as error:
        raise RunnerError(f"{path} cannot be loaded ({type(error).__name__}: {error}); export it again.") from error
    return Artifact(program, metadata)


def inspect_program(path: Path) -> dict[str, Any]:
    """Return the metadata of the file at `path`, after checking all of it; loads no program.

    RunnerError as in load_program.
    """
    if not path.is_file():
        raise RunnerError(f"There is no file {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            texts = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".json")}
        if broken:
            raise zipfile.BadZipFile(f"checksum of {broken}")
        parsed = {name: json.loads(text) for name, text in texts.items()}
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError) as error:
        raise RunnerError(f"{path} is damaged or no program ({error}); export it again.") from error
    own = [value for name, value in parsed.items() if name.endswith(METADATA)]
    if not own:
        raise RunnerError(f"{path} was not written by this runner: it holds no {METADATA}.")
    _check_versions(path, own[0])
    for name, value in parsed.items():
        _refuse_code(path, name, value)
    return dict(own[0])


def _check_versions(path: Path, metadata: dict[str, Any]) -> None:
    here = {"torch": torch.__version__, "torchao": torchao.__version__}
    differ = [
        f"{name} {metadata.get(name)} (here {version})"
        for name, version in here.items()
        if metadata.get(name) != version
    ]
    if differ:
        raise RunnerError(
            f"{path} was written by {', '.join(differ)}; programs are exact only in the version that "
            f"wrote them. "
            "Export it again here, or install that version."
        )


def _refuse_code(path: Path, name: str, value: Any) -> None:
    """Refuse what torch.export.load would unpickle, and sizes that aren't plain arithmetic."""
    if isinstance(value, dict):
        if value.get("use_pickle"):
            raise RunnerError(f"{path} holds pickled objects ({name}), which may run code when loaded; it is refused.")
        text = value.get("expr_str")
        if isinstance(text, str) and not _arithmetic(text):
            raise RunnerError(f"{path} holds a size that is no arithmetic ({text[:60]!r}); it is refused.")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _refuse_code(path, name, item)


def _arithmetic(text: str) -> bool:
    plain = _SAFE.fullmatch(text) and "__" not in text and not _ATTRIBUTE.search(text)
    return bool(plain) and {*_CALL.findall(text)} <= _CALLS
