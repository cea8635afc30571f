"""Parts of a network by their depth, and a learning rate for each: what is near the output learns faster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import nn

from runner.errors import RunnerError


@dataclass(frozen=True)
class RatesByDepth:
    """Discriminative rates (Howard & Ruder 2018, section 3.2): each part's is `decay` times that of the part behind it.

    Attributes:
        parts: of the network, from input to output; see `parts_of`.
    """

    parts: int
    decay: float

    def split(
        self, groups: Sequence[Mapping[str, Any]], network: nn.Module, head: str, rate: float
    ) -> list[dict[str, Any]]:
        """Return an optimizer's groups divided by depth, the output layer's first; those without parameters left out.

        Args:
            rate: of the output layer.
        """
        found = []
        for distance, part in enumerate(reversed(parts_of(network, head, self.parts))):
            inside = {id(parameter) for parameter in part}
            for group in groups:
                if own := [each for each in group["params"] if id(each) in inside]:
                    found.append({**group, "params": own, "lr": rate * self.decay**distance})
        return found


def parts_of(network: nn.Module, head: str, count: int) -> list[list[nn.Parameter]]:
    """Return a network's parameters in `count` parts, in the order of its modules; the last is the output layer.

    The others have as equal numbers of modules with parameters of their own as can be. A parameter that several
    modules share is in the part of the first.

    Args:
        head: the name of the output layer.

    Raises:
        RunnerError: the network has fewer such modules than parts.
    """
    before: list[list[nn.Parameter]] = []
    last: list[nn.Parameter] = []
    seen: set[int] = set()
    for name, module in network.named_modules():
        own = [each for each in module.parameters(recurse=False) if id(each) not in seen]
        seen.update(map(id, own))
        if name == head or name.startswith(f"{head}."):
            last += own
        elif own:
            before.append(own)
    if len(before) < count - 1:
        raise RunnerError(
            f"finetune.parts={count}: this network has {len(before)} layers with parameters before its output layer; "
            f"choose at most {len(before) + 1} parts."
        )
    edges = [round(place * len(before) / (count - 1)) for place in range(count)]
    inner = [[each for own in before[start:end] for each in own] for start, end in pairwise(edges)]
    return [*inner, last]
