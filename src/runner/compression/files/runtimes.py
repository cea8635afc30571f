"""Programs for other runtimes: AOTInductor packages, ONNX files with quantize nodes, ExecuTorch programs."""

import copy
import json
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor
from torch.fx import Graph, Node

from runner.compression.files.program import export_program, interface, needs_strict
from runner.compression.files.sessions import ONNX_INSTALL, SIGNATURE, need, onnx_session
from runner.compression.quantization.program.lower import fitting, kernel_names, products_of
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.machine import has_integer_dot_product
from runner.measure.nested import Nested
from runner.measure.structure import is_single, restore, tensors_of


def save_aot(program: nn.Module, example: Nested, path: Path) -> Counter[str]:
    """Compile `program` ahead of time to `path` (.pt2, native code) for the batch size of `example`.

    Returns the kernels that came out. Freezing is set here: without it the GEMMs run in float (ao#4566). One
    batch size, for the reason given in CompiledProgram.
    """
    import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer  # noqa: F401 - registers the int8 patterns

    seen: Counter[str] = Counter()
    counting: dict[str, Any] = {"post_grad_custom_post_pass": lambda graph: seen.update(kernel_names(graph))}
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), products_of(program), inductor.patch(**counting, fx_graph_cache=False):
        exported = torch.export.export(fitting(program), (example,), strict=needs_strict(program))
        torch._inductor.aoti_compile_and_package(exported, package_path=str(path), inductor_configs={"freezing": True})
    return seen


def load_aot(path: Path) -> Callable[[Nested], Any]:
    """Return the compiled program at `path`. It is native code: load only files you trust.

    RunnerError when it can't be.
    """
    try:
        return torch._inductor.aoti_load_package(str(path))
    except Exception as error:
        raise RunnerError(f"{path} is no AOTInductor package for this machine ({error}); export it again.") from error


def save_onnx(program: nn.Module, example: Nested, path: Path) -> Path:
    """Write a static int8 program (or a float network) as ONNX with QDQ nodes and a dynamic batch."""
    need(("onnx", "onnxscript"), "ONNX export", ONNX_INSTALL)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        exported = export_program(program, example)
        signature = interface(exported, example)
        written: Any = torch.onnx.export(exported, dynamo=True, verbose=False, **named(signature))
        written.model.metadata_props[SIGNATURE] = json.dumps(signature)
        written.save(path)
    except Exception as error:
        raise RunnerError(
            f"This program cannot become ONNX ({str(error).splitlines()[0]}); dynamic recipes go through "
            f"save_onnx_dynamic."
        ) from error
    return path


def named(signature: dict[str, Any]) -> dict[str, Any]:
    """Return names for the tensors of a file, such as inputs_left; torch's own where there is one of each."""
    if all(map(is_single, signature.values())):
        return {}
    return {
        "input_names": [name for name, _ in tensors_of(signature["inputs"], "inputs")],
        "output_names": [name for name, _ in tensors_of(signature["outputs"], "outputs")],
    }


def save_onnx_dynamic(network: nn.Module, example: Nested, path: Path) -> Path:
    """Write the float `network` as ONNX and let ONNX Runtime quantize its matrix products dynamically.

    PT2E's dynamic programs have no ONNX form: `choose_qparams` has no ONNX function.
    """
    need(("onnxruntime",), "dynamic ONNX quantization", ONNX_INSTALL)
    from onnxruntime.quantization import QuantType, quantize_dynamic

    plain = path.with_suffix(".float.onnx")
    save_onnx(network.eval(), example, plain)
    try:
        quantize_dynamic(
            plain,
            path,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
            reduce_range=not has_integer_dot_product(),  # sums of 16 bits overflow otherwise, and nobody is told
        )
        keep_signature(plain, path)
    finally:
        plain.unlink(missing_ok=True)
        plain.with_name(plain.name + ".data").unlink(missing_ok=True)
    return path


def save_onnx_traced(network: nn.Module, example: Tensor, path: Path) -> Path:
    """Write the float `network` as ONNX by running it on `example`, one sample at a time; for what cannot be captured.

    This way of torch's is old (pytorch#177239); the new one fails where proposals differ in number (vision#9395).
    """
    need(("onnx",), "ONNX export", "pip install 'runner[onnx]'")
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of being old, and of sizes that are taken for fixed, which they are
        signature = {"inputs": nested.describe(example), "outputs": nested.describe(network.eval()(example))}
        torch.onnx.export(network, (example,), str(path), dynamo=False, opset_version=17, **named(signature))
    sign(path, signature)
    return path


def sign(path: Path, signature: dict[str, Any]) -> None:
    """Write into the ONNX file at `path` the structures of its inputs and outputs."""
    import onnx

    model = onnx.load(path)
    model.metadata_props.add(key=SIGNATURE, value=json.dumps(signature))
    onnx.save(model, path)


def keep_signature(source: Path, target: Path) -> None:
    """Write into the ONNX file `target` what `source` says of inputs and outputs, where it lost that."""
    import onnx

    known = {each.key: each.value for each in onnx.load(source, load_external_data=False).metadata_props}
    model = onnx.load(target)
    if SIGNATURE in known and SIGNATURE not in {each.key for each in model.metadata_props}:
        model.metadata_props.add(key=SIGNATURE, value=known[SIGNATURE])
        onnx.save(model, target)


def load_onnx(path: Path, threads: int | None = None) -> Callable[[Nested], Nested]:
    """Return the ONNX program at `path` in ONNX Runtime on the CPU; see `sessions.onnx_session`.

    It answers in the structure of the network it is of.
    """
    session = onnx_session(path, threads or torch.get_num_threads())
    told = session.signature
    if told is None:
        return lambda inputs: torch.from_numpy(session.run([inputs.numpy()])[0])

    def run(inputs: Nested) -> Nested:
        outputs = session.run([each.numpy() for each in nested.flatten_as(told["inputs"], inputs)])
        return restore(told["outputs"], map(torch.from_numpy, outputs))

    return run


def save_executorch(program: nn.Module, example: Nested, path: Path) -> Path:
    """Write a program quantized with the xnnpack back end as an ExecuTorch .pte with XNNPACK's kernels.

    It takes the batch size of `example` and no other: ExecuTorch plans its memory ahead, and with a dynamic
    batch its bound came out as 15 whatever was asked (executorch 1.5.1).
    RunnerError where XNNPACK leaves quantized operators to others: ExecuTorch has no kernels for them.
    """
    need(("executorch",), "ExecuTorch export", "pip install 'runner[executorch]'")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = row_major(program)
    exported = torch.export.export(program, (example.contiguous(),), strict=needs_strict(program))
    edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    refuse_left_over(edge.exported_program().graph, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(edge.to_executorch().buffer)
    return path


def refuse_left_over(graph: Graph, path: Path) -> None:
    """RunnerError that counts the operators around which a lowered `graph` still has quantize nodes."""
    calls = [node for node in graph.nodes if node.op == "call_function"]
    behind = [user for node in calls if "dequantize" in _operator(node) for user in node.users]
    names = [_operator(node) for node in behind]
    left = Counter(name for name in names if "quantize" not in name and "delegate" not in name)
    if left:
        counted = ", ".join(f"{count} {name}" for name, count in left.items())
        raise RunnerError(
            f"{path.name}: XNNPACK does not take {counted} of this program as it is quantized: quantize with "
            "quantization/backend=xnnpack, or leave executorch out of export.formats."
        )


def _operator(node: Node) -> str:
    """`aten.convolution.default` for an edge operator."""
    return getattr(node.target, "__name__", str(node.target))


def row_major(program: nn.Module) -> nn.Module:
    """Return a copy of `program` whose weights lie in memory in the order of their dimensions.

    With channels last, XNNPACK's lowering finds some in two layouts at once and gives up, or makes a program that fails
    when it is run (executorch 1.5.1).
    """
    copied = copy.deepcopy(program)
    for tensor in (*copied.parameters(), *copied.buffers()):
        # contiguous() would leave 1x1 kernels as they are: both layouts at once
        tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)
    return copied


def load_executorch(path: Path) -> Callable[[Tensor], Tensor]:
    """Return the ExecuTorch program at `path` in its runtime on the CPU.

    Inputs of its one batch size to its first output.
    """
    need(("executorch",), "running ExecuTorch programs", "pip install 'runner[executorch]'")
    from executorch.runtime import Runtime

    try:
        method = Runtime.get().load_program(str(path)).load_method("forward")
    except Exception as error:
        raise RunnerError(f"{path} is no ExecuTorch program that can run here ({error}); export it again.") from error

    def run(inputs: Tensor) -> Tensor:
        try:
            outputs: list[Tensor] = method.execute([inputs.contiguous()])
        except RuntimeError as error:
            raise RunnerError(
                f"{path}: ExecuTorch fails to run this program ({error}); leave executorch out of export.formats."
            ) from error
        return outputs[0]

    return run
