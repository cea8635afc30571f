"""Programs for OpenVINO: written as its intermediate representation, run by its CPU plugin, and proven to be int8."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from runner.compression.files.runtimes import save_onnx
from runner.compression.files.sessions import OPENVINO_INSTALL, compile_openvino, need, openvino_session

# What OpenVINO calls the layers that run in integers here, and what `verify` calls them.
_KINDS = {
    "Convolution": "conv",
    "GroupConvolution": "conv",
    "FullyConnected": "linear",
    "MatMul": "matmul",
}


def save_openvino(program: nn.Module, example: Tensor, path: Path) -> Counter[str]:
    """Write a static int8 program (or a float network) to `path` (.xml) and its weights beside it (.bin).

    Returns the kernels that OpenVINO runs it with here, as `verify.prove_integers` counts them; the batch is dynamic.
    It goes through ONNX: OpenVINO's own reading of torch.export programs takes int8 weights for float ones (2026.4).
    """
    need(("openvino", "onnx", "onnxscript"), "OpenVINO export", OPENVINO_INSTALL)
    import openvino

    plain = path.with_suffix(".openvino.onnx")
    try:
        save_onnx(program, example, plain)
        drop_zero_points(plain)
        model = openvino.convert_model(plain)
    finally:
        plain.unlink(missing_ok=True)
    openvino.save_model(model, path, compress_to_fp16=False)
    return kernels(compile_openvino(path, torch.get_num_threads()))


def drop_zero_points(path: Path) -> None:
    """Take zero points that are all zero, as those of symmetric weights, out of the ONNX file at `path`.

    They mean the same as none, but where layers share them OpenVINO runs these layers in float (2026.4).
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    constants = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or len(node.input) < 3 or node.input[2] not in constants:
            continue
        zero_point = numpy_helper.to_array(constants[node.input[2]])
        if zero_point.dtype == np.int8 and not zero_point.any():
            del node.input[2]
    onnx.save(model, path)


def load_openvino(path: Path) -> Callable[[Tensor], Tensor]:
    """Return the OpenVINO program at `path` (.xml, its .bin beside it) on the CPU.

    Inputs (N, ...) to its first output.
    """
    session = openvino_session(path, torch.get_num_threads())
    return lambda inputs: torch.from_numpy(session.run([inputs.numpy()])[0])


def kernels(compiled: Any) -> Counter[str]:
    """Return what the heavy layers of a compiled model run as, by the names that `verify` knows.

    Int8.conv, float.linear, …
    """
    found: Counter[str] = Counter()
    for operation in compiled.get_runtime_model().get_ordered_ops():
        about = operation.get_rt_info()
        kind = _KINDS.get(about["layerType"].astype(str))
        if kind is not None:
            integer = about["runtimePrecision"].astype(str) in ("i8", "u8")
            found[f"{'int8' if integer else 'float'}.{kind}"] += 1
    return found
