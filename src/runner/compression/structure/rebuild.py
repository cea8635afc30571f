"""A network whose shape was changed, made again from the configured one and the steps that a checkpoint keeps."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from runner.errors import RunnerError

Step = dict[str, Any]


def rebuild(network: nn.Module, steps: Sequence[Step]) -> nn.Module:
    """`network` after the changes in `steps`, each `{"change": NAME, **settings}`, with weights of no meaning.

    A change is a file of this folder. The steps come out of a checkpoint: nothing but these files is ever called.

    Raises:
        RunnerError: a step that this version does not know, or that does not fit this network.
    """
    for step in steps:
        name = step.get("change")
        if name not in changes():
            raise RunnerError(
                f"The checkpoint's network was changed by {name!r}, which is not known here: it was written by a "
                f"newer version, or is damaged. Known: {', '.join(changes())}."
            )
        settings = {key: value for key, value in step.items() if key != "change"}
        try:
            network = import_module(f"runner.compression.structure.{name}").rebuild(network, **settings)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise RunnerError(f"The checkpoint's change {name!r} does not fit this network ({error}).") from error
    return network


def changes() -> list[str]:
    """The changes there are."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in ("__init__", "rebuild"))
