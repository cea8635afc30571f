"""Budget: the fewest of the least important channels whose removal reaches a target."""

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from runner.compression.pruning.groups import ChannelGroup, union
from runner.compression.structure.channels import Removed, width_attributes
from runner.errors import RunnerError
from runner.measure.operations import EVERYTHING, multiply_accumulates, multiply_accumulates_by_layer

GLOBAL, LAYER = SCOPES = ("global", "layer")
Share = Callable[[Removed], float]
# Sums of shares in another order.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Order:
    """Units as (group, unit), the least important first. `last` are those without which a group would be empty."""

    units: tuple[tuple[int, int], ...]
    last: tuple[tuple[int, int], ...]


def order(scores: Sequence[Tensor], scope: str) -> Order:
    """Orders the units of all groups by their scores, (units,) a group.

    `global` compares scores across groups; `layer` takes the same share of every group, by rank within it. The most
    important unit of a group stays whatever its score.
    """
    keyed = []
    for group, values in enumerate(scores):
        ranks = values.argsort(stable=True).tolist()
        for rank, unit in enumerate(ranks, 1):
            key = float(values[unit]) if scope == GLOBAL else rank / len(ranks)
            keyed.append((rank == len(ranks), key, group, unit))
    keyed.sort(key=lambda it: it[1])
    units = tuple((group, unit) for last, _, group, unit in keyed if not last)
    return Order(units, tuple((group, unit) for last, _, group, unit in keyed if last))


def removal(groups: Sequence[ChannelGroup], units: Sequence[tuple[int, int]]) -> Removed:
    """The channels of every layer that go with these (group, unit)."""
    chosen: dict[int, list[int]] = {}
    for group, unit in units:
        chosen.setdefault(group, []).append(unit)
    return union([groups[group].removal(each) for group, each in chosen.items()])


def fewest(groups: Sequence[ChannelGroup], order: Order, share: Share, target: float, key: str) -> Removed:
    """The removal of the fewest units, in order, whose share reaches `target`; `key` is the setting's name.

    Raises:
        RunnerError: the target would empty a layer; it is named, and the nearest target that works.
    """

    def reached(count: int) -> float:
        return share(removal(groups, order.units[:count]))

    most = reached(len(order.units))
    if most < target - ROUNDING:
        emptied = groups[order.last[0][0]]
        nearest = math.floor(most * 1e4) / 1e4
        raise RunnerError(
            f"pruning.{key}={target:g} would empty {emptied.name}: with one channel left of each layer that may be "
            f"pruned, {most:.4f} is gone. The nearest that works is pruning.{key}={nearest:g}."
        )
    count = bisect.bisect_left(range(len(order.units)), target - ROUNDING, key=reached)
    return removal(groups, order.units[:count])


def channel_share(groups: Sequence[ChannelGroup], dense: Sequence[ChannelGroup]) -> Share:
    """The share of the dense network's channels that is gone after a removal, with what went before."""
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
    """The share of the dense network's multiply-accumulates that is gone after a removal, with what went before.

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
    """The width of each side; layers of one width have it on both."""
    names = [name for name in width_attributes(layer) if name != "groups"]
    values = [getattr(layer, name) for name in names]
    plain = [value[0] if isinstance(value, tuple) else value for value in values]
    return {"in": plain[0], "out": plain[-1]}
