"""Importance: how much a weight, or a channel, matters to what the network answers."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from runner.compression.pruning.channels import IN, OUT, is_depthwise
from runner.compression.pruning.groups import ChannelGroup, Member
from runner.compression.pruning.recipe import PruningContext
from runner.compression.pruning.settings import BN_SCALE, L1, TAYLOR
from runner.errors import RunnerError


def weight_scores(network: nn.Module, names: list[str], importance: str, context: PruningContext) -> dict[str, Tensor]:
    """Return the importance of every weight of the parameters `names`, each tensor of its parameter's shape.

    `l1` and `l2` order single weights alike: |w|. `taylor`: what the loss would change by without it, to first order,
    sum over batches of (w dL/dw)^2 (Molchanov et al., CVPR 2019, equation 8 for single weights).

    Raises:
        RunnerError: an importance that is not for weights, or gradients are needed and there is nothing to have them
            of.
    """
    parameters = dict(network.named_parameters())
    if importance != TAYLOR:
        return {name: parameters[name].detach().abs() for name in names}
    scores = {name: torch.zeros_like(parameters[name]) for name in names}
    for gradients in _gradients(network, context):
        for name in names:
            if name in gradients:
                scores[name] += (parameters[name].detach() * gradients[name]) ** 2
    return scores


def channel_scores(
    network: nn.Module, groups: tuple[ChannelGroup, ...], importance: str, context: PruningContext
) -> list[Tensor | None]:
    """Return the importance of every unit of each group, (units,); None for a group that this importance cannot rank.

    `l1`, `l2`: the norm of the weights that make or take the channel, each layer's divided by its mean, then averaged
    over the layers that share it. `bn_scale`: |gamma| of the batch norms behind it (Liu et al., ICCV 2017); groups
    without batch norm cannot be ranked. `taylor`: (sum of w dL/dw)^2 over the weights that make it, summed over
    batches (Molchanov et al., CVPR 2019, equation 8).

    Raises:
        RunnerError: no such importance; no batch norm anywhere; no gradients to be had.
    """
    if importance == TAYLOR:
        return list(_taylor(network, groups, context))
    if importance == BN_SCALE:
        return _scales(network, groups)
    return [_by_unit(group, _norms(network, group, 1 if importance == L1 else 2)) for group in groups]


def _norms(network: nn.Module, group: ChannelGroup, order: int) -> Tensor:
    shares = []
    for member in group.members:
        layer = network.get_submodule(member.layer)
        if isinstance(layer, (_ConvNd, nn.Linear)):
            norms = _by_channel(member, _slices(layer, layer.weight.detach(), member.side).norm(order, dim=1))
            mean = norms.mean()
            shares.append(norms / mean if mean > 0 else norms)
    return torch.stack(shares).mean(0)


def _scales(network: nn.Module, groups: tuple[ChannelGroup, ...]) -> list[Tensor | None]:
    found: list[Tensor | None] = []
    for group in groups:
        layers = [(member, network.get_submodule(member.layer)) for member in group.members]
        scales = [
            _by_channel(member, layer.weight.detach().abs())
            for member, layer in layers
            if isinstance(layer, _BatchNorm) and layer.affine
        ]
        found.append(_by_unit(group, torch.stack(scales).mean(0)) if scales else None)
    if all(scores is None for scores in found):
        raise RunnerError(
            f"pruning.importance=bn_scale: {type(network).__name__} has no batch norm behind the channels that may go, "
            "so there are no scales to rank them by. Use l1, l2 or taylor, or a network with batch norm."
        )
    return found


def _taylor(network: nn.Module, groups: tuple[ChannelGroup, ...], context: PruningContext) -> Iterator[Tensor]:
    sums = [torch.zeros(group.size) for group in groups]
    for gradients in _gradients(network, context):
        for group, total in zip(groups, sums, strict=True):
            for member in group.members:
                layer, gradient = network.get_submodule(member.layer), gradients.get(f"{member.layer}.weight")
                if isinstance(layer, (_ConvNd, nn.Linear)) and member.side == OUT and gradient is not None:
                    change = _slices(layer, layer.weight.detach() * gradient, OUT).sum(1)
                    total += _by_channel(member, change).to(total) ** 2
    for group, total in zip(groups, sums, strict=True):
        yield _by_unit(group, total)


def _gradients(network: nn.Module, context: PruningContext) -> Iterator[dict[str, Tensor]]:
    """Yield the gradients of the loss by parameter, batch after batch, in evaluation mode."""
    if context.loss is None or not context.batches:
        raise RunnerError(
            "pruning.importance=taylor needs the gradients of a few training batches, and there are none: use l1 or l2."
        )
    copied = copy.deepcopy(network).eval().requires_grad_(True)
    for batch in context.batches:
        copied.zero_grad()
        with torch.enable_grad():
            context.loss(copied, batch).backward()
        yield {name: each.grad for name, each in copied.named_parameters() if each.grad is not None}


def _slices(layer: nn.Module, weight: Tensor, side: str) -> Tensor:
    """Return the weight as one row a channel of a side: (channels, weights of that channel)."""
    transposed = getattr(layer, "transposed", False)
    parts = layer.groups if isinstance(layer, _ConvNd) and not is_depthwise(layer) else 1
    outer = (side == IN) == transposed or is_depthwise(layer)
    if outer:
        return weight.flatten(1)
    # The inner dimension counts within a group: bring the groups in front of it.
    split = weight.unflatten(0, (parts, -1)).transpose(1, 2)
    return split.flatten(0, 1).flatten(1)


def _by_channel(member: Member, values: Tensor) -> Tensor:
    """Return values of a layer's channels, summed for each channel of the group."""
    return torch.stack([values[list(channels)].sum() for channels in member.channels])


def _by_unit(group: ChannelGroup, values: Tensor) -> Tensor:
    return torch.stack([values[list(unit)].mean() for unit in group.units])
