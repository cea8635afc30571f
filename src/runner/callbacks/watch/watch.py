"""Watch: looks at a training before its first step, after its first epoch and at its end, and tells what it noticed.

It probes the network: what that answers to a few training samples, and which of its layers answer nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import FSDPStrategy
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from runner.callbacks.watch import symptoms
from runner.callbacks.watch.symptoms import class_counts, class_notices
from runner.data.module import Batch, DataModule, Samples
from runner.measure import nested
from runner.measure.modes import evaluating
from runner.measure.nested import Nested
from runner.tasks.base import Task
from runner.tasks.training_log import DivergedError
from runner.tracking.notices import Notice, tell
from runner.tracking.run_directory import RunDirectory

SAMPLES = 256
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Threshold)
# So few steps say nothing of what a training comes to.
FEWEST_STEPS = 10


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
    with isolate_rng(), as_measured(task, network, own_statistics), listening(network) as silent:
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
def as_measured(task: Task, network: nn.Module, own_statistics: bool) -> Iterator[None]:
    """Within this context the network evaluates, uncompiled; every module's mode is as before afterwards."""
    compiled, network._compiled_call_impl = network._compiled_call_impl, None
    norms = [each for each in network.modules() if isinstance(each, _BatchNorm) and each.track_running_stats]
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms] if own_statistics else []
    with evaluating(task):
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


class Watch(Callback):
    """Notices of a training, each once and with a remedy, for console, record and report.

    Between its three looks it costs nothing, and it changes nothing: networks evaluate, no sample is augmented, and
    random numbers are as they were. What it knew before the first step lies in every checkpoint.

    Args:
        record: where it writes to.
        balanced: whether classes are weighted or drawn by their size already.
    """

    def __init__(self, record: RunDirectory, *, balanced: bool = False) -> None:
        self.record, self.balanced = record, balanced
        self.first_loss: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the loss before the first step."""
        return {"first_loss": self.first_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it over."""
        self.first_loss = state_dict["first_loss"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the classes, and at the loss of the network as it begins."""
        found = watched(trainer, pl_module)
        if found is None:
            return
        task, data = found
        tell(self.record, class_notices(data, balanced=self.balanced))
        if trainer.global_step == 0:
            self.first_loss = ask(task, data, data.batch_size).loss

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look for dead layers while there is time to stop."""
        found = watched(trainer, pl_module)
        if found is not None and trainer.current_epoch == 0 and trainer.global_step >= FEWEST_STEPS:
            task, data = found
            self._tell([symptoms.dead_layers(ask(task, data, data.batch_size).dead)])

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at what training came to."""
        found = watched(trainer, pl_module)
        if found is None or trainer.global_step < FEWEST_STEPS:
            return
        task, data = found
        answers = ask(task, data, data.batch_size)
        first = answers.loss if self.first_loss is None else self.first_loss
        lag, own = lagging(trainer, task, data, answers, first)
        learned = memorised(trainer, data) if lag is None else None
        self._tell([symptoms.dead_layers(answers.dead), outcome(trainer, task, data, own, first), lag, learned])

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Keep in the record why a training had to stop; whoever raised it tells it to the user."""
        if isinstance(exception, DivergedError):
            tell(self.record, [Notice("exploded", str(exception))], aloud=False)

    def _tell(self, notices: list[Notice | None]) -> None:
        tell(self.record, [each for each in notices if each is not None])


def watched(trainer: pl.Trainer, module: pl.LightningModule) -> tuple[Task, DataModule] | None:
    """Return what is looked at; None for what no single process holds whole, or what is no task of the runner's."""
    data = getattr(trainer, "datamodule", None)
    if not isinstance(module, Task) or not isinstance(data, DataModule) or isinstance(trainer.strategy, FSDPStrategy):
        return None
    return (module, data) if len(data.splits.get("train", ())) else None


def outcome(trainer: pl.Trainer, task: Task, data: DataModule, answers: Answers, first: float) -> Notice | None:
    """Return what the loss and the answers to training samples say: at most one thing, the worst."""
    rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
    exploded = symptoms.explosion(first, answers.loss, max(map(float, rates), default=0.0))
    constant = symptoms.constant_outputs(answers.outputs)
    predictions = [task.predictions(each) for each in answers.outputs]
    classes = symptoms.classes_of(predictions, answers.targets)
    single = symptoms.one_class(*classes, data.class_names) if classes is not None else None
    if constant is None and predictions and "embedding" in predictions[0]:
        constant = symptoms.collapsed(torch.cat([each["embedding"] for each in predictions]))
    return exploded or constant or single or symptoms.loss_at_rest(first, answers.loss)


def lagging(
    trainer: pl.Trainer, task: Task, data: DataModule, answers: Answers, first: float
) -> tuple[Notice | None, Answers]:
    """Return whether batch-norm statistics lag, and the answers that show what the weights learned."""
    if not any(isinstance(each, _BatchNorm) and each.track_running_stats for each in task.network.modules()):
        return None, answers
    own = ask(task, data, data.batch_size, own_statistics=True)
    if not own.outputs:  # one sample has no statistics
        return None, answers
    lag = symptoms.lagging_statistics(first, answers.loss, own.loss, trainer.global_step)
    return lag, answers if lag is None else own


def memorised(trainer: pl.Trainer, data: DataModule) -> Notice | None:
    """Return whether the network learned its samples by heart, where it has classes and was validated."""
    metrics, names = trainer.callback_metrics, data.class_names
    counts = class_counts(data.splits["val"], len(names)) if names else None
    if counts is None or not int(counts.sum()) or not {"train/accuracy", "val/accuracy"} <= {*metrics}:
        return None
    total = int(counts.sum())
    accuracies = float(metrics["train/accuracy"]), float(metrics["val/accuracy"])
    return symptoms.memorised(*accuracies, float(counts.max()) / total, total)
