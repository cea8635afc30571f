"""What the ways of pruning can be told, checked without torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from runner.compression.constraints import Settings, above, at_least, one_of, share

L1, L2, TAYLOR, BN_SCALE = "l1", "l2", "taylor", "bn_scale"
OF_WEIGHTS, OF_CHANNELS = (L1, L2, TAYLOR), (L1, L2, BN_SCALE, TAYLOR)
GLOBAL, LAYER = SCOPES = ("global", "layer")
SCHEDULES = ("one_shot", "iterative", "cubic")


def scale_of_weights(importance: str) -> Iterator[str]:
    """Yield the message where single weights are to be ranked by what batch norm says of whole channels."""
    if importance == BN_SCALE:
        yield (
            "pruning.importance=bn_scale: batch norm scales whole channels, not single weights: use it with "
            "pruning=channel, or l1, l2 or taylor here."
        )


@dataclass(frozen=True)
class MagnitudePruningSettings(Settings):
    """Settings of magnitude pruning.

    Attributes:
        ratio: the share of the weights that is zero in the end.
        importance: `l1` and `l2` (the same for single weights), or `taylor`.
        scope: `global` ranks the weights of all layers together, `layer` takes the same share of each.
        skip: modules left as they are, by name (globs) or type.
    """

    section: ClassVar[str] = "pruning"
    ratio: Annotated[float, share(one=False)] = 0.8
    importance: Annotated[str, one_of(*OF_WEIGHTS, hidden=(BN_SCALE,))] = L1
    scope: Annotated[str, one_of(*SCOPES)] = GLOBAL
    skip: Sequence[str] = ()

    def conflicts(self) -> Iterator[str]:
        """See Settings.conflicts."""
        yield from scale_of_weights(self.importance)


@dataclass(frozen=True)
class LotteryPruningSettings(MagnitudePruningSettings):
    """Settings of lottery tickets, beside those of magnitude pruning.

    Attributes:
        rewind_epoch: how many epochs of the first training the weights come from; 0 is the initialisation.
    """

    rewind_epoch: Annotated[int, at_least(0)] = 0


@dataclass(frozen=True)
class SemiStructuredPruningSettings(Settings):
    """Settings of semi-structured pruning.

    Attributes:
        keep, group: how many of how many stay.
        importance: `l1`, `l2` or `taylor`.
        skip: modules left as they are, by name (globs) or type.
    """

    section: ClassVar[str] = "pruning"
    keep: Annotated[int, at_least(1)] = 2
    group: Annotated[int, at_least(2)] = 4
    importance: Annotated[str, one_of(*OF_WEIGHTS, hidden=(BN_SCALE,))] = L1
    skip: Sequence[str] = ()

    def conflicts(self) -> Iterator[str]:
        """See Settings.conflicts."""
        yield from scale_of_weights(self.importance)
        if self.keep >= self.group:
            yield (
                f"pruning.keep={self.keep}: must be below pruning.group={self.group}; sparse tensor cores take 2 of 4."
            )


@dataclass(frozen=True)
class ChannelPruningSettings(Settings):
    """Settings of channel pruning.

    Attributes:
        ratio: the share of the channels that goes.
        macs: the share of the multiply-accumulates that goes, in place of `ratio`.
        importance: `l1`, `l2`, `bn_scale` or `taylor`; see `importance.channel_scores`.
        scope: `global` ranks all channels against each other, `layer` takes the same share of every group.
        multiple_of: every layer keeps a multiple of this many channels, where it may be pruned: kernels for 8 or 16
            channels at a time are slow with numbers in between.
        skip: layers that keep all they make, by name (globs) or type.
    """

    section: ClassVar[str] = "pruning"
    ratio: Annotated[float, share(one=False)] | None = 0.5
    macs: Annotated[float, share(one=False)] | None = None
    importance: Annotated[str, one_of(*OF_CHANNELS)] = L1
    scope: Annotated[str, one_of(*SCOPES)] = GLOBAL
    multiple_of: Annotated[int, at_least(1)] = 1
    skip: Sequence[str] = ()

    def conflicts(self) -> Iterator[str]:
        """See Settings.conflicts."""
        if self.ratio is None and self.macs is None:
            yield "pruning=channel needs pruning.ratio or pruning.macs, the share that goes."


class PruningRounds:
    """What every way of pruning is told of its rounds, judged by `constraints.mistakes`.

    Attributes:
        target: what the last round reaches; it is a recipe's own.
    """

    target: Annotated[float, share(one=False)]
    schedule: Annotated[str, one_of(*SCHEDULES)]
    rounds: Annotated[int, at_least(1)]
    importance_batches: Annotated[int, at_least(1)]


class PruningFineTune:
    """What training between the rounds is told, judged by `constraints.mistakes`."""

    epochs: Annotated[int, at_least(0)]
    last_epochs: Annotated[int, at_least(0)] | None
    lr: Annotated[float, above(0)]
    schedule: bool
