"""Channel groups: which channels of which layers can only go together, as Torch-Pruning's dependency graph finds."""

import copy
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from runner.compression.pruning.channels import IN, OUT, is_depthwise, width_attributes
from runner.errors import RunnerError


@dataclass(frozen=True)
class Member:
    """One side of a layer in a group: for every channel of the group, the layer's channels that go with it."""

    layer: str
    side: str
    channels: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that several layers share.

    Attributes:
        name: the layer that makes them, the first of several.
        units: what can go, each one or (where convolutions are grouped) several channels of the group at once.
        members: the layers that make, carry and take these channels.
    """

    name: str
    units: tuple[tuple[int, ...], ...]
    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        """Number of channels."""
        return len(self.members[0].channels)

    def removal(self, units: Sequence[int]) -> dict[str, dict[str, set[int]]]:
        """Return the channels of every layer that go with these units."""
        found: dict[str, dict[str, set[int]]] = {}
        gone = [channel for unit in units for channel in self.units[unit]]
        for member in self.members:
            here = found.setdefault(member.layer, {}).setdefault(member.side, set())
            here.update(index for channel in gone for index in member.channels[channel])
        return found


@dataclass(frozen=True)
class Grouping:
    """The groups of a network, and the layers whose channels stay because they cannot be followed."""

    groups: tuple[ChannelGroup, ...]
    whole: tuple[str, ...] = ()


def union(removals: Sequence[Mapping[str, Mapping[str, Collection[int]]]]) -> dict[str, dict[str, list[int]]]:
    """Return one removal that does all of them; groups share layers, but no channels."""
    found: dict[str, dict[str, set[int]]] = {}
    for removal in removals:
        for layer, sides in removal.items():
            for side, channels in sides.items():
                found.setdefault(layer, {}).setdefault(side, set()).update(channels)
    return {layer: {side: sorted(each) for side, each in sides.items()} for layer, sides in found.items()}


def find_groups(network: nn.Module, example: Any) -> Grouping:
    """Return the channel groups of `network`, by Torch-Pruning's dependency graph (Fang et al., DepGraph, CVPR 2023).

    Channels that reach the network's output, or a layer whose width is not only channels (recurrent and attention
    layers, embeddings, parameters of their own), are in no group: they stay.

    Args:
        network: stays as it is.
        example: one input batch (N, …).

    Raises:
        RunnerError: Torch-Pruning cannot trace the network, or it holds no channels that may go.
    """
    traced = copy.deepcopy(network).eval().requires_grad_(True)
    graph = _trace(traced, example)
    names = {module: name for name, module in traced.named_modules()}
    found, whole = [], []
    for raw in graph.get_all_groups(root_module_types=[_ConvNd, nn.Linear]):
        if _reaches_output(graph, raw):
            continue
        group = _group(graph, raw, names)
        if group is None:
            whole.append(names[raw[0].dep.target.module])
        else:
            found.append(group)
    if not found:
        kept = f" ({', '.join(whole[:3])} cannot be followed)" if whole else ""
        raise RunnerError(
            f"pruning=channel: {type(network).__name__} has no channels between its layers that may go{kept}: "
            "use pruning=magnitude, which sets single weights to zero."
        )
    place = {name: number for number, name in enumerate(names.values())}
    found.sort(key=lambda group: place[group.name])
    return Grouping(tuple(found), tuple(sorted(whole, key=place.__getitem__)))


def _trace(network: nn.Module, example: Any) -> Any:
    import torch_pruning  # takes a second or more: it imports timm and torchvision

    try:
        with torch.enable_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # In a tuple: a bare tensor would be tried as one argument a sample first.
            graph = torch_pruning.DependencyGraph().build_dependency(network, (example,), verbose=False)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RunnerError(
            f"pruning=channel: Torch-Pruning cannot trace {type(network).__name__} ({type(error).__name__}: {reason}). "
            "Use pruning=magnitude, which needs no trace, or pruning=none."
        ) from error
    for node in graph.module2node.values():
        if isinstance(node.module, torch_pruning.ops._ConcatOp) and node.module.offsets is None:
            _join(node, torch_pruning.dependency.index_mapping._ConcatIndexMapping)
    return graph


def _join(node: Any, mapping: Callable[..., Any]) -> None:
    """Record where the parts of a concatenation lie that is flattened next.

    Torch-Pruning 1.6.1 compares the parts' channels with the inputs of the layer behind (update_concat_index_mapping),
    which flattening has multiplied, and takes the parts for one another.
    """
    sizes = node.module.concat_sizes
    if not sizes or None in sizes or getattr(node.grad_fn, "_saved_dim", None) != 1:
        return
    node.module.offsets = [0, *accumulate(sizes)]
    ranges = list(pairwise(node.module.offsets))
    inwards = [(dep, dep.target) for dep in node.dependencies]
    outwards = [(dep, source) for source in dict.fromkeys(node.inputs) for dep in source.dependencies]
    for deps, reverse in ((inwards, True), ([it for it in outwards if it[0].target is node], False)):
        open_ones = list(deps)
        for source, offset in zip(node.inputs, ranges, strict=True):
            found = next((it for it in open_ones if it[1] is source), None)
            if found is not None:
                found[0].index_mapping[1] = mapping(offset=list(offset), reverse=reverse)
                open_ones.remove(found)


def _reaches_output(graph: Any, raw: Any) -> bool:
    """Return whether the channels are among the network's outputs."""
    return any(not dep.target.outputs and graph.is_out_channel_pruning_fn(dep.handler) for dep, _ in raw)


def _group(graph: Any, raw: Any, names: dict[nn.Module, str]) -> ChannelGroup | None:
    """Return the group as plain data; None where a layer in it cannot be made narrower channel by channel."""
    size = graph.get_out_channels(raw[0].dep.target.module)
    members, parts = [], {1}
    for item in raw:
        layer = item.dep.target.module
        if type(layer).__module__ == "torch_pruning.ops" or _carries_no_width(layer):
            continue
        if layer not in names or not _can_narrow(layer) or None in item.root_idxs:
            return None
        side = OUT if graph.is_out_channel_pruning_fn(item.dep.handler) else IN
        parts.add(_parts(layer))
        if _parts(layer) > 1 and len(item.idxs) != size:
            return None
        members.append(Member(names[layer], side, _by_channel(item, size)))
    if len(parts) > 2 or size % max(parts):
        return None
    first = next(name for name in names.values() if any((it.layer, it.side) == (name, OUT) for it in members))
    return ChannelGroup(first, tuple(_units(size, max(parts))), tuple(members))


def _by_channel(item: Any, size: int) -> tuple[tuple[int, ...], ...]:
    """Return the layer's channels that go with every channel of the group."""
    found: list[list[int]] = [[] for _ in range(size)]
    for index, root in zip(item.idxs, item.root_idxs, strict=True):
        found[root].append(index)
    return tuple(tuple(sorted(each)) for each in found)


def _units(size: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Yield single channels; with `parts` groups of a convolution, one channel of each."""
    length = size // parts
    for first in range(length):
        yield tuple(first + part * length for part in range(parts))


def _parts(layer: nn.Module) -> int:
    """Return the number of groups into which a layer divides its channels, which must stay equally wide."""
    if isinstance(layer, _ConvNd):
        return 1 if is_depthwise(layer) else layer.groups
    return layer.num_groups if isinstance(layer, nn.GroupNorm) else 1


def _carries_no_width(layer: nn.Module) -> bool:
    return isinstance(layer, nn.PReLU) and layer.num_parameters == 1


def _can_narrow(layer: nn.Module) -> bool:
    one_dimension = not isinstance(layer, nn.LayerNorm) or len(layer.normalized_shape) == 1
    return isinstance(layer, nn.Module) and bool(width_attributes(layer)) and one_dimension
