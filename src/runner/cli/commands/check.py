"""python -m runner check: would this run work?"""

import argparse
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING

from runner.cli.columns import say
from runner.config.compose import Composed, compose

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from runner.measure.nested import Nested
    from runner.tasks.base import Task

DESCRIPTION = (
    "Composes and validates a run, builds its network without memory for the weights, then all of it, loads the "
    "weights it would start from, sends one tiny batch through, and asks every stage what it would refuse. Trains "
    "nothing, writes nothing."
)
EXAMPLE = """examples:
  python -m runner check model=resnet data=digits optimizer.lr=0.01
  python -m runner check -m model=cnn,resnet 'seed=range(1,1001)'"""
SAMPLES = 2
STEPS = 100


def main(arguments: Sequence[str]) -> int:
    """Print what was found; raises RunnerError with everything that is wrong."""
    parser = argparse.ArgumentParser(
        "python -m runner check",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", help="as for a run: group=choice, key=value")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own with further choices")
    parser.add_argument("--multirun", "-m", action="store_true", help="every run of a sweep: composed, but not built")
    options = parser.parse_args(arguments)
    if options.multirun:
        check_sweep(options.overrides, options.config_dir)
        return 0
    composed = compose(options.overrides, options.config_dir, to_run=False)
    say("composes   " + " ".join(f"{group}={choice}" for group, choice in composed.chosen.items()))
    check(composed)
    return 0


def check_sweep(overrides: Sequence[str], config_dir: str | None) -> None:
    """Compose every run of a sweep, or the ends of what a search may draw from; builds nothing.

    Raises:
        RunnerError: with every mistake, and the runs that have it.
    """
    from runner.config import catalog, compose
    from runner.sweep.plan import plan
    from runner.sweep.start import without_invalid

    planned = plan(overrides, config_dir)
    if planned.sweep["search"]:
        compose.check_sweep(planned.command, catalog.config_directories(config_dir))
        print(f"composes   the ends of the space of {planned.sweep['search']['trials']:,} runs")
        return
    good, left_out = without_invalid(planned.jobs, planned.sweep["on_invalid"])
    for each in left_out:
        print(f"left out   {each}")
    print(f"composes   {len(good):,} runs")


def check(composed: Composed) -> None:
    """Build and try what the run would, and refuse what it would refuse; print each line as soon as it is known."""
    from runner.job.build import allowing

    config = composed.config
    with allowing(config.runner.plugins or [], "the configuration"):
        say(f"builds     {parameters(config):,} parameters")
        try_run(config)


def parameters(config: "DictConfig") -> int:
    """Return the parameters of the network, built without memory for them, and without waiting for Lightning."""
    from runner.job.build import build
    from runner.job.trial import bounded
    from runner.models.meta import without_memory

    with without_memory(), bounded("model"):
        return sum(each.numel() for each in build(config, "model").parameters())


def try_run(config: "DictConfig") -> None:
    """Prepare the run, send one tiny batch through, and ask every stage what it would refuse."""
    from runner.callbacks.watch.symptoms import class_notices
    from runner.job.assemble import balances
    from runner.run.prepare import prepare
    from runner.run.run import preflight, stages_of
    from runner.tracking.run_directory import RunDirectory
    from runner.tracking.signals import Signals

    with TemporaryDirectory() as scratch:
        with silence():
            record = RunDirectory(Path(scratch), primary=False)
            context, networks = prepare(config, record, Signals(), dry_run=True)
        datamodule, task = context.datamodule, networks.task
        sizes = ", ".join(f"{len(samples):,} {name}" for name, samples in datamodule.splits.items())
        say(f"data       {sizes}")
        for remark in datamodule.remarks:
            say(f"note       {remark}")
        for notice in class_notices(datamodule, balanced=balances(config)):
            say(f"notice     {notice.text}")
        if networks.checkpoint is not None:
            say(f"weights    {networks.checkpoint}")
        samples = datamodule.splits["train"].spread(SAMPLES)
        batch = datamodule.training_batch((samples.inputs, samples.targets))
        with silence():
            try_training(config, task)
            tried = preflight(context, networks, stages_of(config))
        loss = "no loss but in training" if math.isnan(tried.loss) else f"loss {tried.loss:.4g}"
        print(f"one batch  {shapes(batch[0])} in, {shapes(tried.outputs)} out, {loss}")


def shapes(value: "Nested") -> str:
    """Return the shape of every tensor in a batch, or of what stands in for one."""
    from runner.measure import nested

    found = [value] if hasattr(value, "shape") else nested.tensors(value)
    return " and ".join(str(tuple(each.shape)) for each in found)


def try_training(config: "DictConfig", task: "Task") -> None:
    """Build what training needs beside the task: callbacks, optimizer and scheduler.

    Raises:
        RunnerError: one of them refuses its values.
    """
    from runner.job.assemble import try_trainer
    from runner.job.build import build
    from runner.run.lean_imports import stood_in

    trainer = try_trainer(config)
    for name in config.callbacks or {}:
        build(config, f"callbacks.{name}")
    # A trainer knows how many steps it would take only while it trains; any number will do to build a schedule.
    steps = SimpleNamespace(
        estimated_stepping_batches=STEPS,
        max_epochs=trainer.max_epochs,
        check_val_every_n_epoch=trainer.check_val_every_n_epoch,
    )
    with stood_in():  # an optimizer asks torch's compiler to leave it alone
        task.optimization.configure(task.network, steps)  # type: ignore[arg-type]


@contextmanager
def silence() -> Iterator[None]:
    """Within this context Lightning's remarks about the machine are not heard."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
