"""What a node of a captured graph costs in multiply-accumulates, whichever operator it is."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch._library.custom_ops import OPDEFS
from torch._ops import HigherOrderOperator, OpOverload
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import flop_registry

from runner.measure.formulas import FORMULAS, attention, length, operation_counter

# Operators of these are no products but what stands in the table, or what they are made of.
_KNOWN = ("aten", "prims", "prim", "quantized_decomposed", "torchao")
# ATen's own kernels that multiply inside, by algorithms without a fixed count.
_OPAQUE = ("linalg_", "_linalg_", "_cdist", "cdist", "cholesky", "lu_", "triangular_solve", "geqrf", "ormqr", "svd")


def macs(node: Node) -> int | None:
    """Return the multiply-accumulates of the whole example batch; None where nobody can tell.

    From the table of formulas; for operators made of others, of what they are made of; for operators of the user's own
    (`torch.library.custom_op`) of what their Python does, or by a formula registered with torch's counter; for control
    flow, of its longest way.
    """
    target = node.target
    if isinstance(target, HigherOrderOperator):
        return _control_flow(node)
    if not isinstance(target, OpOverload):
        return 0
    if target.overloadpacket in FORMULAS:
        return FORMULAS[target.overloadpacket](_values(node.args), node.meta.get("val"))
    if target.namespace not in _KNOWN:
        return _custom(node)
    if torch._C._dispatch_has_kernel_for_dispatch_key(target.name(), "CompositeImplicitAutograd"):
        return _composite(node)
    return None if target.overloadpacket.__name__.startswith(_OPAQUE) else 0


def total(nodes: Iterable[Node]) -> int | None:
    """Return the sum of `macs`; None where one of them is unknown."""
    counts = [macs(node) for node in nodes if node.op == "call_function"]
    return None if None in counts else sum(count for count in counts if count is not None)


def _values(arguments: Any) -> Any:
    return map_arg(arguments, lambda node: node.meta.get("val"))


def _stand_ins(arguments: Any, device: str) -> Any:
    """Return arguments whose tensors are zeros of the example's size: no fake ones, which have symbolic sizes."""

    def stand_in(value: Any) -> Any:
        if isinstance(value, Tensor):
            return torch.zeros([length(each) for each in value.shape], dtype=value.dtype, device=device)
        return length(value) if isinstance(value, torch.SymInt) else value

    return tree_map(stand_in, _values(arguments))


def _composite(node: Node) -> int | None:
    """Count what an operator that has no kernel of its own is made of."""
    values = [source.meta.get("val") for source in node.all_input_nodes]
    if sum(isinstance(value, Tensor) and value.is_floating_point() for value in values) < 2:
        return 0  # nothing to multiply by
    counter = operation_counter()
    try:
        with torch.no_grad(), counter:
            node.target(*_stand_ins(node.args, "meta"), **_stand_ins(node.kwargs, "meta"))  # type: ignore[operator]
    except Exception:  # whatever it needs that shapes alone don't give
        return None
    return int(counter.get_total_flops()) // 2


def _custom(node: Node) -> int | None:
    target: Any = node.target
    values, named = _values(node.args), _values(node.kwargs)
    formula = flop_registry.get(target.overloadpacket)
    definition: Any = OPDEFS.get(f"{target.namespace}::{target._schema.name.split('::')[-1]}")
    counter = operation_counter()
    try:
        if formula is not None:
            return int(formula(*values, **named, out_val=node.meta.get("val"))) // 2
        if definition is None:
            return None
        with torch.no_grad(), counter:
            definition._init_fn(*_stand_ins(node.args, "cpu"), **_stand_ins(node.kwargs, "cpu"))
    except Exception:  # it is somebody's code
        return None
    # One that computes without torch (numpy, C++) shows nothing.
    return int(counter.get_total_flops()) // 2 or None


def _control_flow(node: Node) -> int | None:
    """Count the graphs inside: the longest of alternatives, a scan's once for each step."""
    name = str(node.target)
    if name == "flex_attention":
        return attention(_values(node.args), node.meta.get("val"))
    owner: Any = node.graph.owning_module
    held = [getattr(owner, str(each.target), None) for each in node.all_input_nodes if each.op == "get_attr"]
    counts = [total(graph.graph.nodes) for graph in held if isinstance(graph, GraphModule)]
    if None in counts or name == "while_loop":
        return None if any(count != 0 for count in counts) else 0
    known = [count for count in counts if count is not None]
    times = _steps(node) if name in ("scan", "map_impl", "associative_scan") else 1
    return times * (max(known, default=0) if name == "cond" else sum(known))


def _steps(node: Node) -> int:
    """Return over how many steps the graph inside runs: the first dimension of what it runs over."""
    name = str(node.target)
    over = _values(node.args[2 if name == "scan" else 1])
    first = next((each for each in over if isinstance(each, Tensor)), None)
    return 1 if first is None else length(first.shape[0])
