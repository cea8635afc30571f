"""Send a few samples through a network before it is trained, and say in a person's words what doesn't fit."""

from dataclasses import dataclass
from types import TracebackType

import torch
from torch import Tensor, nn

from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.measure.nested import Nested
from runner.tasks.base import Task

SAMPLES = 2
# What torch and networks raise at inputs, outputs or targets of another shape or type than they take.
MISFITS = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError)


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
    training = task.training
    task.eval()
    try:
        with torch.no_grad():
            outputs = task(inputs)
            refuse_width(task, outputs)
            return Trial(outputs, float(task.loss(outputs, targets)))
    except MISFITS as error:
        raise misfit(task, error) from error
    finally:
        task.train(training)


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
