"""Programs over NumPy arrays, in ONNX Runtime and OpenVINO: what answers where no torch is installed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from runner.errors import RunnerError
from runner.measure.structure import is_single, tensors_of

# What an ONNX file says of the structures of its inputs and outputs, among its metadata.
SIGNATURE = "runner"
ONNX_INSTALL, OPENVINO_INSTALL = "pip install 'runner[onnx]'", "pip install 'runner[openvino]'"

Arrays = list["np.ndarray[Any, Any]"]


@dataclass(frozen=True)
class Session:
    """A loaded program.

    Attributes:
        run: the arrays of a batch (N, …), in the order of the network's inputs, to those of its outputs.
        signature: the structures of both (`inputs`, `outputs`; see `nested.describe`) where the file tells of several
            tensors, else None.
    """

    run: Callable[[Sequence["np.ndarray[Any, Any]"]], Arrays]
    signature: dict[str, Any] | None = None


def onnx_session(path: Path, threads: int) -> Session:
    """Return the ONNX program at `path` in ONNX Runtime on the CPU.

    A file that does not say its structure takes one tensor and gives its first output.

    Raises:
        RunnerError: ONNX Runtime is missing, or can't run it.
    """
    need(("onnxruntime",), "running ONNX", ONNX_INSTALL)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Its threads would otherwise spin for a while after each call, and slow down what runs next: a benchmark beside it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RunnerError(f"{path} is no ONNX program that ONNX Runtime can run ({error}); export it again.") from error
    taken = [each.name for each in session.get_inputs()]
    written = session.get_modelmeta().custom_metadata_map.get(SIGNATURE)
    signature = json.loads(written) if written else None
    size = session.get_inputs()[0].shape[0]  # a name where any will do
    if signature is None or all(is_single(signature[side]) for side in ("inputs", "outputs")):

        def run_alone(arrays: Sequence[Any]) -> Arrays:
            parts = np.split(arrays[0], range(size, len(arrays[0]), size)) if isinstance(size, int) else [arrays[0]]
            return [np.concatenate([session.run(None, {taken[0]: part})[0] for part in parts])]

        return Session(run_alone)
    names = {side: [name for name, _ in tensors_of(signature[side], side)] for side in ("inputs", "outputs")}

    def run(arrays: Sequence[Any]) -> Arrays:
        # by name: an input that the network never looks at is no input of the file
        given = dict(zip(names["inputs"], arrays, strict=True))
        held = {name: given[name] for name in taken}
        count = len(arrays[0])
        if not isinstance(size, int) or count <= size:
            whole: Arrays = session.run(names["outputs"], held)
            return whole
        cuts = [{name: each[at : at + size] for name, each in held.items()} for at in range(0, count, size)]
        parts = [session.run(names["outputs"], each) for each in cuts]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    return Session(run, signature)


def openvino_session(path: Path, threads: int) -> Session:
    """Return the OpenVINO program at `path` (.xml, its .bin beside it) on the CPU: one tensor to its first output."""
    need(("openvino",), "running OpenVINO programs", OPENVINO_INSTALL)
    compiled = compile_openvino(path, threads)
    return Session(lambda arrays: [compiled([arrays[0]])[0]])


def compile_openvino(path: Path, threads: int) -> Any:
    """OpenVINO's compiled model; what is float stays float32, where it would choose bfloat16 by itself.

    Raises:
        RunnerError: damaged, or its .bin is missing.
    """
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    if not path.with_suffix(".bin").is_file():
        raise RunnerError(f"{path}: its weights, {path.with_suffix('.bin').name}, are not beside it; export it again.")
    try:
        return openvino.Core().compile_model(path, "CPU", settings)
    except Exception as error:
        reason = str(error).strip().splitlines()[-1]  # behind the places in its sources
        raise RunnerError(f"{path} is no program that OpenVINO can run ({reason}); export it again.") from error


def need(modules: tuple[str, ...], what: str, install: str) -> None:
    """RunnerError with the command that installs, where one of `modules` is missing for `what`."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise RunnerError(f"{what} needs {', '.join(missing)}, not installed here: {install}")


# The formats that need no torch to be run, by name.
SESSIONS: dict[str, Callable[[Path, int], Session]] = {"onnx": onnx_session, "openvino": openvino_session}
