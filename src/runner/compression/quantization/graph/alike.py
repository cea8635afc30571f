"""Keep the graphs of networks that were captured, for networks of the same code, settings and shapes.

Capturing takes most of the time of a post-training quantization, and a run does it twice for one network: before the
training, to refuse what can't be quantized, and after it. The graphs differ in their weights alone.
"""

import copy
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.utils import _pytree as pytree

from runner.measure.nested import Nested

# As many graphs, without weights, are kept; the one that was used longest ago goes first.
LIMIT = 16
_KEPT: OrderedDict[Any, GraphModule] = OrderedDict()
_PLAIN = (bool, int, float, complex, str, bytes, torch.dtype, torch.device, type, Enum, type(None))
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)
# What every module holds: looked at apart, or of no influence on a graph in inference mode.
_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


class _IncomparableError(Exception):
    """The network holds something that may decide about its graph and can't be compared."""


def graph_of(network: nn.Module, inputs: Nested, make: Callable[[], GraphModule]) -> GraphModule:
    """Return the graph of `network` in inference mode over its own parameters and buffers: a kept one, or `make`'s.

    A kept graph is taken where the modules, their settings, and the shapes of weights and `inputs` (2, ...) are the
    same, and where it answers `inputs` like `network`, bit for bit.
    """
    try:
        key = _key(network, inputs)
    except _IncomparableError:
        return make()
    if (kept := _KEPT.get(key)) is not None:
        _KEPT.move_to_end(key)
        graph = _with_weights(kept, network)
        if _answers_alike(graph, network, inputs):
            return graph
    graph = make()
    _KEPT[key] = _without_weights(graph, network)
    if len(_KEPT) > LIMIT:
        _KEPT.popitem(last=False)
    return graph


def _key(network: nn.Module, inputs: Nested) -> Any:
    """Return what decides about the graph of a network: equal for two networks that differ in weights alone.

    Raises:
        _IncomparableError: it can't be told.
    """
    places: dict[int, int] = {}  # one number for each tensor or module, the same wherever it is shared
    modules = [
        (name, type(module), places.setdefault(id(module), len(places)), _state(module, places), _settings(module))
        for name, module in network.named_modules(remove_duplicate=False)
    ]
    leaves, structure = pytree.tree_flatten(inputs)
    if not all(isinstance(leaf, Tensor) for leaf in leaves):
        raise _IncomparableError
    around = (torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"))
    return tuple(modules), tuple(map(_shape, leaves)), str(structure), around


def _state(module: nn.Module, places: dict[int, int]) -> Any:
    if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
        raise _IncomparableError
    held = [*module._parameters.items(), *module._buffers.items()]
    return tuple(
        (name, value if value is None else (_shape(value), places.setdefault(id(value), len(places))))
        for name, value in held
    )


def _shape(value: Tensor) -> Any:
    return type(value), tuple(value.shape), value.dtype, value.device, value.requires_grad


def _settings(module: nn.Module) -> Any:
    return _comparable({name: value for name, value in vars(module).items() if name not in _OF_EVERY_MODULE})


def _comparable(value: Any) -> Any:
    """Return something hashable that is equal for equal values only (1, 1.0 and True are three)."""
    if isinstance(value, (*_PLAIN, *_FUNCTIONS)):
        return type(value), value
    if isinstance(value, dict):
        return type(value), tuple((_comparable(name), _comparable(item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_comparable, value))
    raise _IncomparableError


def _slots(graph: GraphModule) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield each place of a parameter or buffer: its whole name, and where to put it."""
    for prefix, module in graph.named_modules(remove_duplicate=False):
        for held in (module._parameters, module._buffers):
            for name in held:
                yield f"{prefix}.{name}".lstrip("."), held, name


def _weights(network: nn.Module) -> dict[str, Tensor]:
    named = (network.named_parameters(remove_duplicate=False), network.named_buffers(remove_duplicate=False))
    return {name: value for each in named for name, value in each}


def _without_weights(graph: GraphModule, network: nn.Module) -> GraphModule:
    """Return a copy whose weights take no memory; constants, which the network has no name for, stay."""
    known = _weights(network)
    slots = [(held, leaf) for name, held, leaf in _slots(graph) if name in known and held[leaf] is not None]
    empty = {id(held[leaf]): _empty(held[leaf]) for held, leaf in slots}
    return copy.deepcopy(graph, dict(empty))


def _empty(value: Tensor) -> Tensor:
    meta = value.detach().to("meta")
    return nn.Parameter(meta, requires_grad=value.requires_grad) if isinstance(value, nn.Parameter) else meta


def _with_weights(kept: GraphModule, network: nn.Module) -> GraphModule:
    known = _weights(network)
    graph = copy.deepcopy(kept)
    for name, held, leaf in _slots(graph):
        if name in known:
            held[leaf] = known[name]
    return graph


def _answers_alike(graph: GraphModule, network: nn.Module, inputs: Nested) -> bool:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        wanted, found = pytree.tree_leaves(network(inputs)), pytree.tree_leaves(graph(inputs))
    return len(wanted) == len(found) and all(
        torch.equal(one, other) if isinstance(one, Tensor) and isinstance(other, Tensor) else one == other
        for one, other in zip(wanted, found, strict=True)
    )
