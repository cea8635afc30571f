"""The callbacks that the first training of a run needs beside those of every training; most runs need none."""

from pytorch_lightning.callbacks import Callback

from runner.job.context import Context
from runner.job.finetuning import is_finetuned
from runner.job.networks import Networks
from runner.tracking import checkpoints

RATE = "optimizer.lr"


def first_callbacks(context: Context, networks: Networks) -> list[Callback]:
    """Return the callbacks of the first training."""
    found = [early_weights(context), changed_settings(context, networks), finetune_cost(context)]
    return [each for each in found if each is not None]


def early_weights(context: Context) -> Callback | None:
    """Return what keeps early weights, so that pruning can go back to them."""
    epoch = context.config.pruning.get("rewind_epoch")
    if epoch is None:
        return None
    from runner.callbacks.early_weights import EarlyWeights
    from runner.stages.parts.early_weights import place

    return EarlyWeights(place(context.record.path, epoch), epoch)


def changed_settings(context: Context, networks: Networks) -> Callback | None:
    """Return what changes the settings of the checkpoint that training goes on from, where it has to.

    A checkpoint that was written after the change has the new settings already.
    """
    if networks.resume_from is None:
        return None
    from runner.tracking.resumptions import changed_at

    found = changed_at(context.record.path, int(checkpoints.read_checkpoint(networks.resume_from)["global_step"]))
    if found is None:
        return None
    from runner.callbacks.changed_settings import ChangedSettings

    before, after = found
    return ChangedSettings(after[RATE] / before[RATE] if before.get(RATE) and after.get(RATE) else 1.0)


def finetune_cost(context: Context) -> Callback | None:
    """Return what notes the cost of fine-tuning."""
    if not is_finetuned(context.config):
        return None
    from runner.callbacks.finetune_cost import FineTuneCost

    return FineTuneCost()
