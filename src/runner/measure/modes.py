"""Modes: a network evaluates for a while, and is as it was afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Within this context a network evaluates; every module's mode is as before afterwards.

    A network that evaluates already is left alone: captured programs know no modes.
    """
    modes = {module: module.training for module in network.modules()}
    if any(modes.values()):
        network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
