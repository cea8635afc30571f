"""Save an int8 program as a torch.export file and load it in another process, without unpickling anything."""

import copy
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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
from runner.compression.files.program_check import METADATA, read_members
from runner.errors import RunnerError
from runner.files import write_bytes
from runner.measure import nested
from runner.measure.nested import Nested

EXTRA = "runner.json"
# What reading an archive raises whose bytes are not what they were.
DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, LookupError, TypeError, RecursionError)
# Where a node came from: good for debugging, of no use to who loads the file.
ORIGINS = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node", "torch_fn")
_exported: ContextVar[dict[tuple[int, int], tuple[ExportedProgram, nn.Module, Nested]] | None]
_exported = ContextVar("exported", default=None)


@dataclass(frozen=True)
class Artifact:
    """A loaded program: `program` answers inputs (N, ...) as a module; `metadata` is what was saved with it."""

    program: nn.Module
    metadata: dict[str, Any] = field(default_factory=dict)


@contextmanager
def exported_once() -> Iterator[None]:
    """Within this context a program that does not change is exported once, however many files hold it."""
    token = _exported.set({})
    try:
        yield
    finally:
        _exported.reset(token)


def export_program(program: nn.Module, example: Nested) -> ExportedProgram:
    """`program` as a torch.export program, with a dynamic batch; `example` is one batch (N, ...)."""
    kept = _exported.get()
    if kept is None:
        return _export(program, example)
    key = id(program), id(example)
    if key not in kept:  # with both: what comes after them may get the numbers of the dead
        kept[key] = _export(program, example), program, example
    return kept[key][0]


def _export(program: nn.Module, example: Nested) -> ExportedProgram:
    if isinstance(program, GraphModule):  # a copy keeps what the graph uses: not the float weights it replaced
        program = GraphModule(program, copy.deepcopy(program.graph))
    shapes = nested.dynamic_batch(example)
    with torch.no_grad():
        exported = torch.export.export(
            program, (nested.two_of(example),), dynamic_shapes=shapes, strict=needs_strict(program)
        )
    exported.example_inputs = None
    for node in exported.graph.nodes:  # half of a small file, and paths of this machine
        for key in ORIGINS:
            node.meta.pop(key, None)
    return exported


def needs_strict(program: nn.Module) -> bool:
    """Return whether exporting has to read Python: a graph has none left, and takes a third of the time without."""
    return not isinstance(program, GraphModule)


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
    torch.export.save(exported, archive, extra_files={EXTRA: json.dumps(details)})
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
        members = read_members(path)
    except RunnerError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        OSError,
        EOFError,
        LookupError,
        TypeError,
        RecursionError,
    ) as error:
        raise RunnerError(f"{path} is damaged or no program ({error}); export it again.") from error
    if not isinstance(members.get(METADATA), dict):
        raise RunnerError(f"{path} was not written by this runner: it holds no {EXTRA}.")
    _check_versions(path, members[METADATA])
    return dict(members[METADATA])


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
