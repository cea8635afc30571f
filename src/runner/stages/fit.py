"""Training: from a task with fresh or given weights to one with the best weights it found."""

from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl

from runner.job.assemble import build_task, is_adapted, is_finetuned, merge_adapters
from runner.job.context import Context, selected
from runner.job.networks import Networks, StageResult
from runner.job.trainer import make_trainer
from runner.stages.parts.distillation import check_teacher, distilled
from runner.stages.parts.training import check_monitors, first_callbacks, train
from runner.tracking import checkpoints


def fit(context: Context, networks: Networks) -> StageResult:
    """Train, keep the best weights, and return their metrics.

    Behind cross-validation a fresh network is trained on training and validation data together.

    Raises:
        DivergedError: the loss became NaN or infinite; `checkpoints/diverged.ckpt` is left.
        Interrupted: a signal arrived; `checkpoints/last.ckpt` is left.
    """
    if context.config.cross_validation.folds:
        # The weights that it begins with are the same whether the folds were trained just now or in an earlier process.
        pl.seed_everything(context.config.seed, workers=True, verbose=False)
        context.datamodule.use_all_for_training()
        networks = replace(networks, task=build_task(context.config, context.datamodule))
    task = networks.task
    validates = len(context.datamodule.splits["val"]) > 0
    trainer = make_trainer(context, task, validate=validates, extra=first_callbacks(context, networks))
    with distilled(context, networks, task):
        if context.config.compile:
            task.network.compile()
        train(context, task, trainer, networks.resume_from)
    # What an interrupted run made smaller or fine-tuned began from weights that nobody kept.
    checkpoints.remove_derived(context.record.path)
    metrics = selected(trainer.callback_metrics, "train/", "val/", "data/", "finetune/")
    best, found = keep_best(context, networks)
    networks = replace(networks, steps=trainer.global_step, checkpoint=best)
    result = StageResult({**metrics, **found}, networks=networks)
    if not is_finetuned(context.config):
        return result
    from runner.job.finetuning import latency, merged

    artifacts = merged(context, networks)
    return replace(result, metrics={**result.metrics, **latency(context, task)}, artifacts=artifacts)


def preflight(context: Context, networks: Networks) -> None:
    """Refuse, before any training, metrics that are never measured, teachers that cannot teach, and idle adapters.

    Raises:
        RunnerError: with what is wrong.
    """
    check_monitors(context, networks.task)
    check_teacher(context, networks)
    if is_adapted(networks.task):
        from runner.job.finetuning import refuse_idle

        refuse_idle(context, networks.task)


def keep_best(context: Context, networks: Networks) -> tuple[Path | None, dict[str, float]]:
    """Load the best weights, where a checkpoint callback kept them; return their file and their metrics."""
    best = context.checkpoints / f"{checkpoints.BEST}.ckpt"
    if not best.is_file():
        # What a signal left in mid-training would pass for the result.
        (context.checkpoints / f"{checkpoints.LAST}.ckpt").unlink(missing_ok=True)
        return None, {}
    content = checkpoints.read_checkpoint(best)
    if is_adapted(networks.task) and content.get("structure") == []:
        merge_adapters(networks.task)  # that of an earlier end of this training, which went on and found no better
    checkpoints.load_weights(networks.task, content, best)
    return best, selected(content["metrics"], "train/", "val/", "data/")
