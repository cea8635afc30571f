"""Programs for other runtimes: AOTInductor packages, ONNX files with quantize nodes, ExecuTorch programs."""

from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from runner.compression.quantization.pt2e.artifact import export_program
from runner.compression.quantization.pt2e.lower import kernel_names, products_of
from runner.errors import RunnerError


def save_aot(program: nn.Module, example: Tensor, path: Path) -> Counter[str]:
    """Compiles `program` ahead of time to `path` (.pt2, native code) for the batch size of `example`.

    Returns the kernels that came out. Freezing is set here: without it the GEMMs run in float (ao#4566). One
    batch size, for the reason given in CompiledProgram.
    """
    import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer  # noqa: F401 - registers the int8 patterns

    seen: Counter[str] = Counter()
    counting: dict[str, Any] = {"post_grad_custom_post_pass": lambda graph: seen.update(kernel_names(graph))}
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), products_of(program), inductor.patch(**counting, force_disable_caches=True):
        exported = torch.export.export(program, (example,), strict=True)
        torch._inductor.aoti_compile_and_package(exported, package_path=str(path), inductor_configs={"freezing": True})
    return seen


def load_aot(path: Path) -> Callable[[Tensor], Any]:
    """The compiled program at `path`. It is native code: load only files you trust. RunnerError when it can't
    be."""
    try:
        return torch._inductor.aoti_load_package(str(path))
    except Exception as error:
        raise RunnerError(f"{path} is no AOTInductor package for this machine ({error}); export it again.") from error


def save_onnx(program: nn.Module, example: Tensor, path: Path) -> Path:
    """Writes a static int8 program (or a float network) as ONNX with QDQ nodes and a dynamic batch."""
    _need(("onnx", "onnxscript"), "ONNX export", "pip install 'runner[onnx]'")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        exported: Any = torch.onnx.export(export_program(program, example), dynamo=True, verbose=False)
        exported.save(path)
    except Exception as error:
        raise RunnerError(
            f"This program cannot become ONNX ({str(error).splitlines()[0]}); dynamic recipes go through "
            f"save_onnx_dynamic."
        ) from error
    return path


def save_onnx_dynamic(network: nn.Module, example: Tensor, path: Path) -> Path:
    """Writes the float `network` as ONNX and lets ONNX Runtime quantize its matrix products dynamically.

    PT2E's dynamic programs have no ONNX form: `choose_qparams` has no ONNX function.
    """
    _need(("onnxruntime",), "dynamic ONNX quantization", "pip install 'runner[onnx]'")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain = path.with_suffix(".float.onnx")
    save_onnx(network.eval(), example, plain)
    try:
        quantize_dynamic(plain, path, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
    finally:
        plain.unlink(missing_ok=True)
        plain.with_name(plain.name + ".data").unlink(missing_ok=True)
    return path


def load_onnx(path: Path, threads: int | None = None) -> Callable[[Tensor], Tensor]:
    """The ONNX program at `path` in ONNX Runtime on the CPU: inputs (N, ...) to its first output."""
    _need(("onnxruntime",), "running ONNX", "pip install 'runner[onnx]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RunnerError(f"{path} is no ONNX program that ONNX Runtime can run ({error}); export it again.") from error
    name = session.get_inputs()[0].name
    return lambda inputs: torch.from_numpy(session.run(None, {name: inputs.numpy()})[0])


def save_executorch(program: nn.Module, example: Tensor, path: Path) -> Path:
    """Writes a program quantized with the xnnpack back end as an ExecuTorch .pte with XNNPACK's kernels.

    It takes the batch size of `example` and no other: ExecuTorch plans its memory ahead, and with a dynamic
    batch its bound came out as 15 whatever was asked (executorch 1.5.1).
    """
    _need(("executorch",), "ExecuTorch export", "pip install 'runner[executorch]'")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    exported = torch.export.export(program, (example,), strict=True)
    edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(edge.to_executorch().buffer)
    return path


def load_executorch(path: Path) -> Callable[[Tensor], Tensor]:
    """The ExecuTorch program at `path` in its runtime on the CPU: inputs of its one batch size to its first output."""
    _need(("executorch",), "running ExecuTorch programs", "pip install 'runner[executorch]'")
    from executorch.runtime import Runtime

    try:
        method = Runtime.get().load_program(str(path)).load_method("forward")
    except Exception as error:
        raise RunnerError(f"{path} is no ExecuTorch program that can run here ({error}); export it again.") from error
    return lambda inputs: method.execute([inputs.contiguous()])[0]


def _need(modules: tuple[str, ...], what: str, install: str) -> None:
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise RunnerError(f"{what} needs {', '.join(missing)}, not installed here: {install}")
