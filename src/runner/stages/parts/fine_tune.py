"""Fine-tuning: a second training of a run's network, with epochs, rate, checkpoints and curves of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import nn

from runner.job.assemble import build_task, fine_tuning_config
from runner.job.context import Context
from runner.job.networks import Networks
from runner.job.trainer import make_trainer
from runner.stages.parts.distillation import distilled
from runner.tracking import checkpoints
from runner.tracking.loggers import continue_from, renaming


@dataclass(frozen=True)
class Tuning:
    """What a fine-tuning came to: its best (or last) `train/…` and `val/…`, and the optimizer steps it took."""

    metrics: dict[str, float]
    steps: int


def fine_tune(
    context: Context,
    networks: Networks,
    network: nn.Module,
    folder: str,
    *,
    epochs: int,
    lr: float,
    schedule: bool = False,
    extra: Sequence[Callback] = (),
) -> Tuning:
    """Train `network` in place; its best weights stay in it.

    Interrupted and resumed, it goes on from `checkpoints/FOLDER/last.ckpt`. Curves are written as `FOLDER/…` behind
    those of the trainings before (`networks.steps`). A teacher takes part where the run has one.

    Args:
        network: of the structure that `networks.task` has now.
        folder: below `checkpoints/`; may have parts (`pruned/round_1`).
        schedule: follow the run's own schedule, with `lr` as its rate; otherwise the rate stays as it is.
        extra: further callbacks.
    """
    # The same whether this run trained the network just now, before an interruption, or another run did.
    pl.seed_everything(context.config.seed, workers=True, verbose=False)
    datamodule = context.datamodule
    task = build_task(fine_tuning_config(context.config, lr, schedule=schedule), datamodule, network=network)
    task.structure = networks.task.structure
    for name, value in networks.task.named_buffers(recurse=False):  # what the weights were trained with
        getattr(task, name).copy_(value)
    validate = len(datamodule.splits["val"]) > 0
    trainer = make_trainer(context, task, validate=validate, folder=folder, extra=extra, max_epochs=epochs)
    last = context.checkpoints / folder / f"{checkpoints.LAST}.ckpt"
    with distilled(context, networks, task), context.signals.deferred(), curves(context, networks.steps, folder, last):
        trainer.fit(task, datamodule=datamodule, ckpt_path=last if last.is_file() else None, weights_only=True)
    best = last.with_name(f"{checkpoints.BEST}.ckpt")
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if best.is_file():
        content = checkpoints.read_checkpoint(best)
        checkpoints.load_weights(task, content, best)
        metrics = content["metrics"]
    context.signals.check()
    kept = {name: each for name, each in metrics.items() if name.startswith(("train/", "val/"))}
    return Tuning(kept, trainer.global_step)


@contextmanager
def curves(context: Context, steps: int, folder: str, last: Path) -> Iterator[None]:
    """Write the curves as `FOLDER/…` behind those of the first `steps` steps; a resumed run continues them."""
    with renaming(context.loggers, f"{folder}/", steps):
        if context.resumed:
            content = checkpoints.read_checkpoint(last) if last.is_file() else {}
            continue_from(context.loggers, steps + content.get("global_step", 0), content.get("curves", {}))
        yield
