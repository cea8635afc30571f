"""Channel pruning: whole channels taken out of every layer that shares them, so that the network really shrinks."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from runner.compression.modules import matches, unknown
from runner.compression.pruning.budget import (
    Share,
    channel_share,
    fewest,
    operation_share,
    order,
)
from runner.compression.pruning.channels import OUT, cut, settings
from runner.compression.pruning.groups import ChannelGroup, find_groups
from runner.compression.pruning.importance import channel_scores
from runner.compression.pruning.proof import prove
from runner.compression.pruning.recipe import Pruned, PruningContext, PruningRecipe
from runner.compression.pruning.settings import ChannelPruningSettings
from runner.errors import RunnerError, join_errors


@dataclass(frozen=True)
class ChannelPruning(ChannelPruningSettings, PruningRecipe):
    """Takes out the least important channels, however layers share them (Fang et al., DepGraph, CVPR 2023).

    The output layer keeps its answers, and every layer one channel at least. What goes is proved on the example: the
    narrow network answers as the wide one that ignores those channels.
    """

    kind = "channel"

    @property
    def key(self) -> str:
        """Setting that holds the target."""
        return "ratio" if self.macs is None else "macs"

    @property
    def target(self) -> float:
        """See PruningRecipe.target; a share of channels, or of multiply-accumulates."""
        return self.macs if self.macs is not None else self.ratio or 0.0

    def apply(self, network: nn.Module, amount: float, context: PruningContext) -> Pruned:
        """See PruningRecipe.apply."""
        grouping = prove(network, find_groups(network, context.example), context.example)
        kept = kept_whole(network, grouping.groups, self.skip)
        groups = [group for group in grouping.groups if group.name not in kept]
        scored = zip(groups, channel_scores(network, tuple(groups), self.importance, context), strict=True)
        ranked = [(group, scores) for group, scores in scored if scores is not None]
        if not ranked:
            raise RunnerError("pruning.skip leaves no channels that may go: skip fewer layers, or use pruning=none.")
        groups = [group for group, _ in ranked]
        blocks = order([scores for _, scores in ranked], self.scope, self.multiple_of)
        removed = fewest(groups, blocks, self._share(network, groups, context), amount, self.key)
        narrow = cut(network, removed)
        layers = settings(context.dense, narrow)
        steps = ({"change": "channels", "layers": layers},) if layers else ()
        return Pruned(narrow, steps, remarks(network, grouping.whole))

    def _share(self, network: nn.Module, groups: list[ChannelGroup], context: PruningContext) -> Share:
        if self.macs is not None:
            return operation_share(network, context.dense, context.example)
        names = {group.name for group in groups}
        dense = groups if network is context.dense else find_groups(context.dense, context.example).groups
        return channel_share(groups, [group for group in dense if group.name in names])


def kept_whole(network: nn.Module, groups: Sequence[ChannelGroup], skip: Sequence[str]) -> set[str]:
    """Return the groups in which a layer that makes the channels is to be skipped.

    Raises:
        RunnerError: a pattern that matches no layer; the nearest names.
    """
    found = {pattern: matches(pattern, network) for pattern in skip}
    if wrong := [unknown(pattern, network) for pattern, names in found.items() if not names]:
        raise join_errors([f"pruning.skip: {message}" for message in wrong])
    skipped = set().union(*found.values())
    makers = {group.name: [it.layer for it in group.members if it.side == OUT] for group in groups}
    return {name for name, layers in makers.items() if any(_inside(layer, skipped) for layer in layers)}


def _inside(layer: str, modules: set[str]) -> bool:
    """Return whether a layer is one of the modules, or lies in one."""
    return any(layer == module or layer.startswith(f"{module}.") or not module for module in modules)


def remarks(network: nn.Module, whole: Sequence[str]) -> tuple[str, ...]:
    """Return remarks on layers that were left alone because their channels cannot be followed."""
    if not whole:
        return ()
    more = f" and {len(whole) - 4} more" if len(whole) > 4 else ""
    return (
        f"Left as wide as they are: {', '.join(whole[:4])}{more}. Their channels are embedded, divided among attention "
        "heads or carried by a recurrent state, and cannot be followed one by one.",
    )
