"""Try a network before it is trained: keep it within bounds while it is built, and send a few samples through."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.nn.parameter import is_lazy

from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.measure.modes import evaluating
from runner.measure.nested import Nested
from runner.tasks.base import Task

# The deepest networks of timm have some thousand.
MOST = 20_000
SAMPLES = 2
# What torch and networks raise at inputs, outputs or targets of another shape or type than they take.
MISFITS = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError)


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


@dataclass(frozen=True)
class Trial:
    """What a network answered to the first samples, and its loss on them, in evaluation mode."""

    outputs: Nested
    loss: float


def try_network(task: Task, datamodule: DataModule) -> Trial:
    """Evaluate a few training samples, spread over the split; nothing is drawn, nothing in the network changes.

    Raises:
        RunnerError: the network can't take them, or its task can't judge what it answers.
    """
    samples = datamodule.splits["train"].spread(SAMPLES)
    inputs, targets = datamodule.transform(samples.inputs), samples.targets
    try:
        with evaluating(task), torch.no_grad():
            outputs = task(inputs)
            refuse_width(task, outputs)
            return Trial(outputs, float(task.loss(outputs, targets)))
    except MISFITS as error:
        raise misfit(task, error) from error


def refuse_width(task: Task, outputs: Nested) -> None:
    """Raise RunnerError where a network tells more or fewer classes or targets apart than its task has.

    More of them train without a word: no loss misses classes that no target names.
    """
    if task.width is None or not isinstance(outputs, Tensor) or not len(outputs):
        return
    axis, wanted = task.width
    found = outputs.shape[axis] if outputs.ndim > 1 else 1
    if found != wanted:
        raise RunnerError(
            f"model: answers with {found:,} numbers where the task needs {wanted:,} "
            f"(outputs {tuple(outputs.shape)}). Leave out what sets its outputs: they follow the data."
        )


def misfit(task: Task, error: Exception) -> RunnerError:
    """Return what a person can do about an error in the first batch, naming the layer in which it was raised."""
    why = f"{type(error).__name__}: {' '.join(str(error).split())}. Where: add mode=debug."
    layer = innermost(task.network, error.__traceback__)
    if layer is None:
        return RunnerError(f"task: can't judge what the network answers to this data ({why})")
    name, module = layer
    place = f"{name} ({type(module).__name__})" if name else type(module).__name__
    return RunnerError(f"model: can't take this data; it fails in {place} ({why})")


def innermost(network: nn.Module, traceback: TracebackType | None) -> tuple[str, nn.Module] | None:
    """Return the deepest layer of `network` whose `forward` an error passed through, with its name."""
    names = {id(module): name for name, module in network.named_modules()}
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        module = frame.f_locals.get("self") if frame.f_code.co_name == "forward" else None
        if isinstance(module, nn.Module) and id(module) in names:
            found = names[id(module)], module
        traceback = traceback.tb_next
    return found
