"""Budget: the fewest of the least important channels whose removal reaches a target."""

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from runner.compression.pruning.channels import Removed, width_attributes
from runner.compression.pruning.groups import ChannelGroup, union
from runner.compression.pruning.settings import GLOBAL
from runner.errors import RunnerError
from runner.measure.formulas import EVERYTHING, multiply_accumulates, multiply_accumulates_by_layer

Share = Callable[[Removed], float]
# Sums of shares in another order.
ROUNDING = 1e-9


# A group, and units of it that go at once.
Block = tuple[int, tuple[int, ...]]


@dataclass(frozen=True)
class Order:
    """Blocks, the least important first. `last` are those without which a group would be empty, in the same order."""

    blocks: tuple[Block, ...]
    last: tuple[Block, ...]


def order(scores: Sequence[Tensor], scope: str, multiple_of: int = 1) -> Order:
    """Order the units of all groups by their scores, (units,) a group.

    `global` compares scores across groups; `layer` takes the same share of every group, by rank within it. The most
    important block of a group stays whatever its score. With `multiple_of`, units go in blocks that leave a multiple
    of it, and a block counts with its mean score.
    """
    keyed = []
    for group, values in enumerate(scores):
        ranked, start = values.argsort(stable=True), 0
        for end in _ends(len(ranked), multiple_of):
            units = ranked[start:end]
            key = float(values[units].mean()) if scope == GLOBAL else end / len(ranked)
            keyed.append((end == len(ranked), key, (group, tuple(units.tolist()))))
            start = end
    keyed.sort(key=lambda it: it[1])
    blocks = tuple(block for last, _, block in keyed if not last)
    return Order(blocks, tuple(block for last, _, block in keyed if last))


def _ends(count: int, multiple_of: int) -> list[int]:
    """Return the ends of a group's blocks: what is left after each is a multiple."""
    return [end for end in range(1, count + 1) if (count - end) % multiple_of == 0]


def removal(groups: Sequence[ChannelGroup], blocks: Sequence[Block]) -> Removed:
    """Return the channels of every layer that go with these blocks."""
    chosen: dict[int, list[int]] = {}
    for group, units in blocks:
        chosen.setdefault(group, []).extend(units)
    return union([groups[group].removal(each) for group, each in chosen.items()])


def fewest(groups: Sequence[ChannelGroup], order: Order, share: Share, target: float, key: str) -> Removed:
    """Return the removal of the fewest blocks, in order, whose share reaches `target`; `key` is the setting's name.

    Raises:
        RunnerError: the target would empty a layer; it is named, and the nearest target that works.
    """

    def reached(count: int) -> float:
        return share(removal(groups, order.blocks[:count]))

    most = reached(len(order.blocks))
    if most < target - ROUNDING:
        emptied, units = order.last[0]
        left = sum(len(groups[emptied].units[unit]) for unit in units)
        nearest = math.floor(most * 1e4) / 1e4
        raise RunnerError(
            f"pruning.{key}={target:g} would empty {groups[emptied].name}: with {left} of its channels left, and as "
            f"little of every other layer that may be pruned, {most:.4f} is gone. The nearest that works is "
            f"pruning.{key}={nearest:g}."
        )
    count = bisect.bisect_left(range(len(order.blocks)), target - ROUNDING, key=reached)
    return removal(groups, order.blocks[:count])


def channel_share(groups: Sequence[ChannelGroup], dense: Sequence[ChannelGroup]) -> Share:
    """Return the share of the dense network's channels that is gone after a removal, with what went before."""
    total, now = (sum(group.size for group in each) for each in (dense, groups))

    def share(removed: Removed) -> float:
        gone = 0.0
        for group in groups:
            first = group.members[0]
            width = sum(len(channels) for channels in first.channels)
            gone += len(removed.get(first.layer, {}).get(first.side, ())) / width * group.size
        return (total - now + gone) / total

    return share


def operation_share(network: nn.Module, dense: nn.Module, example: Any) -> Share:
    """Return the share of the dense network's multiply-accumulates that is gone after a removal, with what went before.

    Exact by arithmetic: those of a convolution or linear layer are proportional to the width of either side.
    """
    here, total = multiply_accumulates_by_layer(network, example), multiply_accumulates(dense, example)

    def share(removed: Removed) -> float:
        left = float(here[EVERYTHING])
        for name, sides in removed.items():
            widths, kept = _widths(network.get_submodule(name)), 1.0
            for side, channels in sides.items():
                kept *= 1 - len(channels) / widths[side]
            left -= here.get(name, 0) * (1 - kept)
        return 1 - left / total

    return share


def _widths(layer: nn.Module) -> dict[str, int]:
    """Return the width of each side; layers of one width have it on both."""
    names = [name for name in width_attributes(layer) if name != "groups"]
    values = [getattr(layer, name) for name in names]
    plain = [value[0] if isinstance(value, tuple) else value for value in values]
    return {"in": plain[0], "out": plain[-1]}
