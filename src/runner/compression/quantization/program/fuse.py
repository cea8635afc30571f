"""Fuse convolutions with batch norms for fine-tuning as torchao does, without tracing what isn't needed."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.fx import GraphModule
from torch.nn import functional
from torchao.quantization.pt2e import qat_utils

_ATEN = torch.ops.aten
_CONVOLUTIONS: dict[Any, Any] = {
    functional.conv1d: _ATEN.conv1d.default,
    functional.conv2d: _ATEN.conv2d.default,
    functional.conv_transpose1d: _ATEN.conv_transpose1d.default,
    functional.conv_transpose2d: _ATEN.conv_transpose2d.input,
}
_TRACED: dict[tuple[str, tuple[Any, ...], bool], GraphModule] = {}


@contextmanager
def quick_fusion() -> Iterator[None]:
    """Let `prepare_qat_pt2e` trace only patterns of convolutions that the graph holds, each once in a process.

    Otherwise it traces twelve every time (twice that where there is a GPU), which takes five seconds.
    """
    fuse, trace = qat_utils._fuse_conv_bn_qat_helper, qat_utils._get_aten_graph_module_for_pattern

    def fuse_present(graph: GraphModule, convolution: Callable[..., Any], *rest: Any, **options: Any) -> GraphModule:
        wanted = _CONVOLUTIONS.get(convolution)
        absent = wanted is not None and all(node.target is not wanted for node in graph.graph.nodes)
        return graph if absent else fuse(graph, convolution, *rest, **options)

    def trace_once(pattern: Any, inputs: Any, is_cuda: bool = False, **options: Any) -> GraphModule:
        # a function written within another, for one convolution, which it holds
        held = tuple(cell.cell_contents for cell in pattern.fn.__closure__ or ())
        key = (pattern.fn.__qualname__, held, is_cuda)
        if options:
            return trace(pattern, inputs, is_cuda, **options)
        if key not in _TRACED:
            _TRACED[key] = trace(pattern, inputs, is_cuda)
        return copy.deepcopy(_TRACED[key])

    qat_utils._fuse_conv_bn_qat_helper, qat_utils._get_aten_graph_module_for_pattern = fuse_present, trace_once
    try:
        yield
    finally:
        qat_utils._fuse_conv_bn_qat_helper, qat_utils._get_aten_graph_module_for_pattern = fuse, trace
