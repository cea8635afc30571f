"""Rounds of pruning: each prunes, fine-tunes and is kept, so that an interrupted run goes on in the round it was in."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from runner.compression.files.rebuild import Step, rebuild
from runner.compression.pruning.recipe import PruningContext, PruningRecipe
from runner.job.assemble import load_trained
from runner.job.job import Job
from runner.measure.operations import multiply_accumulates
from runner.measure.parameter_counts import nonzero_share, parameters
from runner.stages.parts.fine_tune import fine_tune
from runner.stages.parts.pruning_context import example, standalone
from runner.tracking import checkpoints
from runner.tracking.console import console


@dataclass(frozen=True)
class Measured:
    """A network after a round, round 0 being the dense one.

    Attributes:
        amount: the share that the recipe was to prune until now, from 0 to 1.
        parameters, macs: of the whole network; multiply-accumulates for one sample.
        nonzero_share: of the weight matrices, from 0 to 1.
        pruned: the monitored metric on validation data just after pruning.
        metric: the same after fine-tuning.
    """

    round: int
    amount: float
    parameters: int
    macs: int
    nonzero_share: float
    pruned: float
    metric: float


@dataclass(frozen=True)
class Made:
    """What a round made: the network on the CPU, its structure from the configured one on, its numbers, and remarks."""

    network: nn.Module
    structure: list[Step]
    measured: Measured
    remarks: tuple[str, ...] = ()


def dense(job: Job, context: PruningContext) -> Made:
    """The network before the first round."""
    metric = job.monitored(context.dense)
    return Made(context.dense, list(job.task.structure), measure(job, context.dense, 0, 0.0, metric, metric))


def make(
    job: Job,
    recipe: PruningRecipe,
    context: PruningContext,
    before: Made,
    amount: float,
    structure: list[Step],
    *,
    last: bool,
) -> Made:
    """One round: the network of the round before pruned to `amount`, fine-tuned, and kept.

    Args:
        structure: of the dense network; a step of pruning always begins there.
        last: whether it is the last round, which may be tuned for longer.
    """
    number = before.measured.round + 1
    pruned = recipe.apply(before.network, amount, context)
    for remark in pruned.remarks:
        if remark not in before.remarks:
            console.print(remark, soft_wrap=True)
    steps = [*structure, *pruned.steps]
    before_tuning = job.monitored(pruned.network)
    job.task.structure = steps
    started, metrics = job.steps, tune(job, pruned.network, number, last=last)
    network = pruned.network.cpu().eval()
    measured = measure(job, network, number, amount, before_tuning, job.monitored(network))
    made = Made(network, steps, measured, pruned.remarks)
    keep(job, made, steps_taken=job.steps - started, metrics=metrics)
    return made


def tune(job: Job, network: nn.Module, number: int, *, last: bool) -> dict[str, float]:
    """Fine-tuning after a round, in place; none where it has no epochs."""
    epochs, last_epochs, lr, schedule = (
        job.config.pruning.fine_tune[name] for name in ("epochs", "last_epochs", "lr", "schedule")
    )
    if last and last_epochs is not None:
        epochs = last_epochs
    if not epochs:
        return {}
    return fine_tune(job, network, f"{checkpoints.PRUNED}/round_{number}", epochs=epochs, lr=lr, schedule=schedule)


def measure(job: Job, network: nn.Module, number: int, amount: float, pruned: float, metric: float) -> Measured:
    """The numbers of a network."""
    operations = multiply_accumulates(standalone(job, network), example(job))
    return Measured(number, amount, parameters(network), operations, nonzero_share(network), pruned, metric)


def place(job: Job, number: int) -> Path:
    """Where a finished round is kept."""
    return job.record.path / "checkpoints" / checkpoints.PRUNED / f"round_{number}.ckpt"


def keep(job: Job, made: Made, **more: Any) -> None:
    """Writes a finished round; from the moment the file is there it is not repeated."""
    content = {
        "state_dict": {f"network.{name}": value for name, value in made.network.state_dict().items()},
        "structure": made.structure,
        "measured": asdict(made.measured),
        type(job.datamodule).__qualname__: job.datamodule.state_dict(),
        **more,
    }
    checkpoints.save_weights(place(job, made.measured.round), content)


def kept(job: Job, context: PruningContext, number: int, structure: list[Step]) -> Made | None:
    """A round that an interrupted run finished; None where it did not."""
    if not place(job, number).is_file():
        return None
    content = checkpoints.read_checkpoint(place(job, number))
    job.steps += content["steps_taken"]
    steps: list[Step] = content["structure"]
    network = rebuild(context.dense, steps[len(structure) :])
    prefix = "network."
    network.load_state_dict({name.removeprefix(prefix): each for name, each in content["state_dict"].items()})
    return Made(network, steps, Measured(**content["measured"]))


def finish(job: Job, made: Made) -> None:
    """Makes the last round's network the one the run goes on with, and ends with."""
    content = checkpoints.read_checkpoint(place(job, made.measured.round))
    checkpoints.save_weights(job.record.path / "checkpoints" / f"{checkpoints.PRUNED}.ckpt", content)


def reopen(job: Job, path: Path) -> None:
    """Loads what a finished stage made, for a run that goes on after it."""
    content = checkpoints.read_checkpoint(path)
    rounds = range(1, content["measured"]["round"] + 1)
    job.steps += sum(checkpoints.read_checkpoint(place(job, number))["steps_taken"] for number in rounds)
    load_trained(job.task, content, path)
