"""Bounds on a network while it is built: no layer without weights, no more of them than this machine can hold."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.nn.parameter import is_lazy

from runner.errors import RunnerError

# The deepest networks of timm have some thousand.
MOST = 20_000


@contextmanager
def bounded(where: str) -> Iterator[None]:
    """Within this context a network that leaves the bounds is refused at its first layer that does.

    Weights are counted as they are registered, which layers do before they fill them: memory that was only asked for
    isn't taken yet, so that this works for a network that is built without memory too (device `meta`).

    Args:
        where: the section of the configuration that describes the network, for messages.

    Raises:
        RunnerError: a weight has no elements, there are too many layers, or memory would not suffice.
    """
    count = Count(where, memory())
    hooks = (
        register_module_parameter_registration_hook(count.parameter),
        register_module_module_registration_hook(count.layer),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class Count:
    """Layers, weights and their bytes so far.

    Args:
        most: bytes of weights that are too many.
    """

    def __init__(self, where: str, most: int) -> None:
        self.where, self.most = where, most
        self.layers = self.parameters = self.bytes = 0

    def layer(self, module: nn.Module, name: str, layer: nn.Module | None) -> None:
        """Count a layer that becomes part of another."""
        self.layers += 1
        self.refuse_many(self.layers, "layers")

    def parameter(self, module: nn.Module, name: str, parameter: Tensor | None) -> None:
        """Count a weight."""
        if parameter is None or is_lazy(parameter) or isinstance(module, LazyModuleMixin):
            return
        if not parameter.numel():
            raise RunnerError(
                f"{self.where}: {name} of a {type(module).__name__} would have no elements, shape "
                f"{tuple(parameter.shape)}; such a layer learns nothing. Which size in {self.where} is 0?"
            )
        self.parameters += 1
        self.bytes += parameter.numel() * parameter.element_size()
        self.refuse_many(self.parameters, "weights")
        if self.bytes > self.most:
            raise RunnerError(
                f"{self.where}: its weights need more than the {self.most / 2**30:,.0f} GB of memory that there are, "
                f"at {name} of a {type(module).__name__}, shape {tuple(parameter.shape)}. Choose a smaller network."
            )

    def refuse_many(self, count: int, what: str) -> None:
        """Raise RunnerError for a network of which no end is in sight."""
        if count > MOST:
            raise RunnerError(f"{self.where}: builds more than {MOST:,} {what}. Which number of layers is too large?")


def memory() -> int:
    """Return the bytes of memory that this machine has; without a limit where the system doesn't tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 2**63
