"""Make a network whose shape was changed again, from the configured one and the steps that a checkpoint keeps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from runner.compression.factorization import depthwise, low_rank
from runner.compression.finetuning import adapters
from runner.compression.finetuning.settings import CHANGE
from runner.compression.pruning import channels, zeros
from runner.errors import RunnerError

Step = dict[str, Any]
# The steps come out of a checkpoint: nothing but these functions is ever called.
CHANGES: Mapping[str, Callable[..., nn.Module]] = {
    CHANGE: adapters.rebuild,
    "channels": channels.rebuild,
    "depthwise": depthwise.rebuild,
    "low_rank": low_rank.rebuild,
    "zeros": zeros.rebuild,
}


def rebuild(network: nn.Module, steps: Sequence[Step]) -> nn.Module:
    """Return `network` after the changes in `steps`, each `{"change": NAME, **settings}`, with weights of no meaning.

    Raises:
        RunnerError: a step that this version does not know, or that does not fit this network.
    """
    for step in steps:
        name = str(step.get("change"))
        if name not in CHANGES:
            raise RunnerError(
                f"The checkpoint's network was changed by {name!r}, which is not known here: it was written by a "
                f"newer version, or is damaged. Known: {', '.join(CHANGES)}."
            )
        settings = {key: value for key, value in step.items() if key != "change"}
        try:
            network = CHANGES[name](network, **settings)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise RunnerError(f"The checkpoint's change {name!r} does not fit this network ({error}).") from error
    return network
