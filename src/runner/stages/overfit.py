"""Overfitting: can the network memorise one batch? The quickest test of a new model, loss or data set."""

from runner.job.context import Context
from runner.job.networks import Networks, StageResult
from runner.job.trainer import make_trainer
from runner.stages.parts.training import train
from runner.tracking.console import console

# A network that can learn at all gets this far on one batch.
MEMORISED_SHARE_OF_LOSS = 0.05


def overfit(context: Context, networks: Networks) -> StageResult:
    """Train on one batch that is not augmented, and say whether the network could memorise it."""
    task, datamodule = networks.task, context.datamodule
    datamodule.keep_one_batch()
    trainer = make_trainer(context, task, validate=False)
    first = task.loss_on(datamodule.training_example())
    train(context, task, trainer, networks.resume_from)
    last = task.loss_on(datamodule.training_example())
    if last <= first * MEMORISED_SHARE_OF_LOSS:
        verdict = f"memorised one batch: loss {first:.3g} → {last:.3g}. Model, loss and optimizer work together."
    else:
        verdict = (
            f"did NOT memorise one batch: loss {first:.3g} → {last:.3g} after {trainer.current_epoch} epochs. "
            "Look at optimizer.lr, at the loss, and at whether inputs and targets belong together."
        )
    console.print(f"Verdict: {context.config.name} {verdict}", soft_wrap=True)
    return StageResult(metrics={"overfit/first_loss": first, "overfit/last_loss": last})
