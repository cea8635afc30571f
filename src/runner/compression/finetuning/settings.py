"""What adapters and unfreezing can be told, checked without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from runner.compression.constraints import Rule, Settings, above, at_least, one_of, share

METHODS = ("lora", "dora", "ia3", "loha", "lokr", "oft", "boft", "vera", "adalora", "qlora")


def is_part_of_qkv(names: Sequence[str]) -> bool:
    """Return whether these are projections of attention, each named once."""
    return {*names} <= {"q", "k", "v"} and len({*names}) == len(names)


@dataclass(frozen=True)
class AdaptersSettings(Settings):
    """Settings of the methods of `peft`.

    Attributes:
        method: LoRA (Hu et al. 2021), DoRA (Liu et al. 2024), IA3 (Liu et al. 2022), LoHa (Hyeon-Woo et al. 2022), LoKr
            (Edalati et al. 2022), OFT (Qiu et al. 2023), BOFT (Liu et al. 2024), VeRA (Kopiczko et al. 2024), AdaLoRA
            (Zhang et al. 2023), QLoRA (Dettmers et al. 2023).
        rank: of the update; `ia3`, `oft` and `boft` have none.
        alpha: the update counts alpha / rank times.
        dropout: share of the update's inputs that training leaves out; not of `ia3`, `loha`, `lokr`,
            `oft` and `boft`.
        block_size: channels that `oft` and `boft` rotate together.
        layers: layers to adapt, by name (globs) or type; none named are all that the method can take.
        projections: of layers called `qkv`, which make query, key and value at once, those to adapt; without any such
            a layer is adapted as one.
    """

    section: ClassVar[str] = "finetune"
    method: Annotated[str, one_of(*METHODS)] = "lora"
    rank: Annotated[int, at_least(1)] = 8
    alpha: Annotated[float, above(0)] = 16
    dropout: Annotated[float, share(one=False)] = 0.0
    block_size: Annotated[int, at_least(2)] = 8
    layers: Sequence[str] = ()
    projections: Annotated[Sequence[str], Rule("of q, k, v, each once", is_part_of_qkv)] = ()


@dataclass
class Unfreezing:
    """Settings of `finetune=staged`; see `callbacks.gradual_unfreezing` and `tasks.depth`."""

    parts: Annotated[int, at_least(2)]
    epochs: Annotated[int, at_least(1)]
    decay: Annotated[float, above(0)]


@dataclass(frozen=True)
class RankSchedule:
    """Settings of `finetune=adalora`; see `callbacks.rank_allocation`.

    Attributes:
        final_rank: of the updates in the end, on average over the layers.
        before, after: shares of the steps before ranks begin to fall, and after they have.
        every: steps from one allocation to the next.
        orthogonality: weight of the factors' distance from orthogonal ones.
    """

    final_rank: Annotated[int, at_least(1)]
    before: Annotated[float, share(one=False)]
    after: Annotated[float, share(one=False)]
    every: Annotated[int, at_least(1)]
    orthogonality: Annotated[float, at_least(0)]
