"""Rounds of pruning: each prunes, fine-tunes and is kept, so that an interrupted run goes on in the round it was in."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from runner.compression.files.rebuild import Step, rebuild
from runner.compression.pruning.recipe import PruningContext, PruningRecipe
from runner.job.context import Context
from runner.job.networks import Networks
from runner.measure.formulas import multiply_accumulates
from runner.measure.parameter_counts import nonzero_share, parameters
from runner.stages.parts.fine_tune import Tuning, fine_tune
from runner.stages.parts.pruning_context import standalone
from runner.tracking import checkpoints
from runner.tracking.console import console
from runner.tracking.loggers import continue_from, place_in
from runner.tracking.weights.matching import below, inside


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
class PruningRun:
    """What all rounds of one pruning share.

    Attributes:
        networks: of the run before pruning.
        pruning: what the recipe looks at.
        structure: of the dense network; a step of pruning always begins there.
    """

    context: Context
    networks: Networks
    pruning: PruningContext
    structure: list[Step]

    def metric(self, network: nn.Module) -> float:
        """Return the monitored metric on validation data."""
        return self.context.monitored(self.networks.task, network)

    def measure(self, network: nn.Module, number: int, amount: float, pruned: float, metric: float) -> Measured:
        """Return the numbers of a network."""
        operations = multiply_accumulates(standalone(self.networks.task, network), self.context.example())
        return Measured(number, amount, parameters(network), operations, nonzero_share(network), pruned, metric)


@dataclass(frozen=True)
class Round:
    """What a round made.

    Attributes:
        network: on the CPU.
        structure: the steps that lead to it from the configured network on.
        measured: its numbers.
        remarks: what the recipe said about it.
        steps: optimizer steps that its fine-tuning took.
    """

    network: nn.Module
    structure: list[Step]
    measured: Measured
    remarks: tuple[str, ...] = ()
    steps: int = 0


def dense_round(run: PruningRun) -> Round:
    """Return the network before the first round."""
    dense = run.pruning.dense
    metric = run.metric(dense)
    return Round(dense, run.structure, run.measure(dense, 0, 0.0, metric, metric))


def prune_once(
    run: PruningRun, recipe: PruningRecipe, before: Round, amount: float, steps: int, *, last: bool
) -> Round:
    """Prune the network of the round before to `amount`, fine-tune it, and keep it.

    Args:
        steps: optimizer steps that the trainings of the run took until now.
        last: whether it is the last round, which may be tuned for longer.
    """
    number = before.measured.round + 1
    pruned = recipe.apply(before.network, amount, run.pruning)
    for remark in pruned.remarks:
        if remark not in before.remarks:
            console.print(remark, soft_wrap=True)
    structure = [*run.structure, *pruned.steps]
    untuned = run.metric(pruned.network)
    run.networks.task.structure = structure
    tuning = tune(run, pruned.network, number, steps, last=last)
    network = pruned.network.cpu().eval()
    measured = run.measure(network, number, amount, untuned, run.metric(network))
    made = Round(network, structure, measured, pruned.remarks, tuning.steps)
    keep(run.context, made, tuning.metrics)
    return made


def tune(run: PruningRun, network: nn.Module, number: int, steps: int, *, last: bool) -> Tuning:
    """Fine-tune after a round, in place; not at all where it has no epochs."""
    epochs, last_epochs, lr, schedule = (
        run.context.config.pruning.fine_tune[name] for name in ("epochs", "last_epochs", "lr", "schedule")
    )
    if last and last_epochs is not None:
        epochs = last_epochs
    if not epochs:
        return Tuning({}, 0)
    folder = f"{checkpoints.PRUNED}/round_{number}"
    networks = replace(run.networks, steps=steps)
    return fine_tune(run.context, networks, network, folder, epochs=epochs, lr=lr, schedule=schedule)


def path_of(context: Context, number: int) -> Path:
    """Return where a finished round is kept."""
    return context.checkpoints / checkpoints.PRUNED / f"round_{number}.ckpt"


def keep(context: Context, made: Round, metrics: dict[str, float]) -> None:
    """Write a finished round; from the moment the file is there it is not repeated."""
    content: dict[str, Any] = {
        "state_dict": below(made.network.state_dict(), checkpoints.NETWORK),
        "structure": made.structure,
        "measured": asdict(made.measured),
        type(context.datamodule).__qualname__: context.datamodule.state_dict(),
        "steps_taken": made.steps,
        "metrics": metrics,
        "curves": place_in(context.loggers, {}, 0),
    }
    context.signals.check()
    checkpoints.save_weights(path_of(context, made.measured.round), content)


def kept(run: PruningRun, number: int) -> Round | None:
    """Return a round that an interrupted run finished; None where it did not."""
    path = path_of(run.context, number)
    if not path.is_file():
        return None
    content = checkpoints.read_checkpoint(path)
    structure: list[Step] = content["structure"]
    network = rebuild(run.pruning.dense, structure[len(run.structure) :])
    network.load_state_dict(inside(content["state_dict"], checkpoints.NETWORK))
    if curves := content.get("curves"):
        continue_from(run.context.loggers, 0, curves)
    return Round(network, structure, Measured(**content["measured"]), steps=content["steps_taken"])


def finish(context: Context, made: Round, steps: int) -> Path:
    """Keep the last round's network as the one that the run goes on and ends with; return its file.

    Args:
        steps: optimizer steps that the trainings of the run took until now.
    """
    content = checkpoints.read_checkpoint(path_of(context, made.measured.round))
    path = context.checkpoints / f"{checkpoints.PRUNED}.ckpt"
    checkpoints.save_weights(path, {**content, "global_step": steps})
    return path
