"""Probe: what a network answers to a few training samples, and which of its layers answer nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from runner.data.module import Batch, DataModule, Samples
from runner.measure import nested
from runner.measure.nested import Nested
from runner.tasks.base import Task

SAMPLES = 256
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Threshold)


@dataclass
class Answers:
    """What a network made of the probe.

    Attributes:
        loss: the task's mean loss.
        outputs, targets: of all samples, batch by batch, on the CPU.
        dead: names of the layers whose answer, or all of what they are given, is zero for every sample.
    """

    loss: float
    outputs: list[Nested] = field(default_factory=list)
    targets: list[Nested] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)


def probe(datamodule: DataModule, batch_size: int, count: int = SAMPLES) -> Iterator[Batch]:
    """Yield up to `count` training samples, evenly spread and then mixed, as the network takes them; none augmented.

    The order comes from a generator of its own.
    """
    samples = datamodule.splits["train"]
    if datamodule.at_most(2) == 1:  # one graph, whole or not at all
        yield from datamodule.batches(samples, max(1, len(samples)))
        return
    chosen = samples.spread(count)
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0))
    mixed = Samples(chosen.rows, chosen.row_targets, chosen.indices[order])
    yield from datamodule.batches(mixed, min(batch_size, count))


def answer(task: Task, inputs: Nested) -> Nested:
    """Return the outputs for inputs on the CPU, in the precision that the task's trainer works in."""
    inputs, trainer = nested.to(inputs, task.device), task._trainer
    if trainer is None:
        return task.call(task.network, inputs)
    with trainer.precision_plugin.forward_context():
        return task.call(task.network, trainer.precision_plugin.convert_input(inputs))


@torch.no_grad()
def ask(task: Task, datamodule: DataModule, batch_size: int, *, own_statistics: bool = False) -> Answers:
    """Return what the task's network answers in evaluation mode; nothing of it, nor any generator, is changed.

    Args:
        own_statistics: normalise each batch by its own statistics, not by the running ones.
    """
    network, device = task.network, task.device
    answers, losses, counts = Answers(0.0), [], []
    with isolate_rng(), evaluating(task, network, own_statistics), listening(network) as silent:
        for inputs, targets in probe(datamodule, batch_size):
            if own_statistics and nested.samples(targets) < 2:
                continue
            outputs = answer(task, inputs)
            losses.append(float(task.loss(outputs, nested.to(targets, device))))
            counts.append(max(nested.samples(targets), 1))
            answers.outputs.append(nested.to(outputs, "cpu"))
            answers.targets.append(nested.to(targets, "cpu"))
    answers.loss = sum(a * b for a, b in zip(losses, counts, strict=True)) / max(sum(counts), 1)
    answers.dead = [name for name, is_silent in silent.items() if is_silent]
    return answers


@contextmanager
def evaluating(task: Task, network: nn.Module, own_statistics: bool) -> Iterator[None]:
    """Within this context the network evaluates, uncompiled; every module's mode is as before afterwards."""
    modes = {module: module.training for module in task.modules()}
    compiled, network._compiled_call_impl = network._compiled_call_impl, None
    norms = [each for each in network.modules() if isinstance(each, _BatchNorm) and each.track_running_stats]
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms] if own_statistics else []
    task.eval()
    for norm, _, count in kept:
        # A momentum of 0 leaves the running statistics as they are.
        norm.train()
        norm.momentum, norm.num_batches_tracked = 0.0, None if count is None else count.clone()
    try:
        yield
    finally:
        network._compiled_call_impl = compiled
        for norm, momentum, count in kept:
            norm.momentum, norm.num_batches_tracked = momentum, count
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def listening(network: nn.Module) -> Iterator[dict[str, bool]]:
    """Yield a dictionary that learns, of every layer that is called, whether all was zero for every sample.

    Of rectifiers it is the answer; of a layer with weights, but for the first, what it is given: rectifiers that are
    functions have no name of their own.
    """
    silent: dict[str, bool] = {}
    handles = []

    def note(name: str, value: Any) -> None:
        floats = [each for each in nested.tensors(value) if each.is_floating_point() and each.numel()]
        if floats:
            silent[name] = silent.get(name, True) and not any(bool(each.any()) for each in floats)

    def listen(name: str, module: nn.Module) -> None:
        def answered(_: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            if isinstance(module, RECTIFIERS):
                note(name, output)
            elif first[0] is None or first[0] is module:
                first[0] = module
            elif arguments and isinstance(arguments[0], Tensor):
                note(f"what {name} is given", arguments[0])

        handles.append(module.register_forward_hook(answered))

    first: list[nn.Module | None] = [None]
    for name, module in network.named_modules():
        own = any(True for _ in module.parameters(recurse=False))
        if not any(True for _ in module.children()) and (own or isinstance(module, RECTIFIERS)):
            listen(name or "the network", module)
    try:
        yield silent
    finally:
        for handle in handles:
            handle.remove()
