"""Proof that channels can go: the network without them answers like the network that ignores them."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from runner.compression.pruning.channels import IN, Removed, cut, is_depthwise
from runner.compression.pruning.groups import ChannelGroup, Grouping, union
from runner.measure import nested
from runner.measure.nested import Nested

# Relative to the largest output: sums in another order. A channel taken for another can matter little: attention that
# is not trained yet hardly looks at its queries. So sums are double where the network can.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def prove(network: nn.Module, grouping: Grouping, example: Any) -> Grouping:
    """Return the same grouping without the groups that do not hold, whose layers join `whole`.

    What a trace misunderstands (channels rearranged into attention heads, fixed slices) would come out with the right
    shapes and the wrong channels. So half of every group is cut on trial and compared with `muted`; where that
    differs, every group is tried alone. Groups behind a normalization over channels (layer norm, group norm), which
    every channel has a part in, are only tried for their shapes.

    Args:
        network: stays as it is.
        example: one input batch (N, …).
    """
    network, example = _precise(network, example)
    if _holds(network, list(grouping.groups), example):
        return grouping
    good = [group for group in grouping.groups if _holds(network, [group], example)]
    left = tuple(group.name for group in grouping.groups if group not in good)
    return Grouping(tuple(good), (*grouping.whole, *left))


def muted(network: nn.Module, removed: Removed) -> nn.Module:
    """Return a copy of `network`, as wide as before, whose layers ignore the `removed` channels of their inputs."""
    copied = copy.deepcopy(network)
    for name, sides in removed.items():
        layer = copied.get_submodule(name)
        if isinstance(layer, (_ConvNd, nn.Linear)) and not is_depthwise(layer):
            with torch.no_grad():
                _ignore(layer, sides.get(IN, ()))
    return copied


def outputs(network: nn.Module, example: Nested) -> Nested:
    """Return the outputs of a copy of `network` in evaluation mode."""
    with torch.no_grad():
        return copy.deepcopy(network).eval()(example)


def _precise(network: nn.Module, example: Any) -> tuple[nn.Module, Any]:
    """Return copies of network and example in double precision, or single where the network makes its own numbers."""
    doubled = copy.deepcopy(network).double()
    inputs = nested.map_floats(Tensor.double, example)
    try:
        outputs(doubled, inputs)
    except (RuntimeError, TypeError):
        return network, example
    return doubled, inputs


def _holds(network: nn.Module, groups: list[ChannelGroup], example: Any) -> bool:
    exact = [group for group in groups if not _normalized_across(network, group)]
    wanted = outputs(muted(network, _half(exact)), example)
    try:
        if len(exact) < len(groups) and not nested.same_shapes(outputs(cut(network, _half(groups)), example), wanted):
            return False
        got = outputs(cut(network, _half(exact)), example)
    except (RuntimeError, ValueError):  # of a layer that the cut does not fit
        return False
    return nested.same_shapes(got, wanted) and all(_close(one, two) for one, two in nested.pairs(wanted, got))


def _close(wanted: Tensor, got: Tensor) -> bool:
    tolerance = TOLERANCE.get(wanted.dtype, 1e-2) * float(wanted.abs().max())
    return float((got - wanted).abs().max()) <= tolerance


def _half(groups: list[ChannelGroup]) -> Removed:
    """Return every other unit of each group, one at least of several."""
    return union([group.removal(range(0, len(group.units) - 1, 2)) for group in groups])


def _normalized_across(network: nn.Module, group: ChannelGroup) -> bool:
    kinds = (nn.LayerNorm, nn.GroupNorm)
    return any(isinstance(network.get_submodule(member.layer), kinds) for member in group.members)


def _ignore(layer: Any, channels: Any) -> None:
    """Zero the weights that multiply these input channels; in a grouped convolution, those of their group."""
    if isinstance(layer, _ConvNd) and layer.transposed:
        layer.weight[list(channels)] = 0
        return
    parts = layer.groups if isinstance(layer, _ConvNd) else 1
    inputs, answers = layer.weight.shape[1], layer.weight.shape[0] // parts
    for channel in channels:
        part = channel // inputs
        layer.weight[part * answers : (part + 1) * answers, channel % inputs] = 0
