"""What a training needs that goes on with other settings than it began with."""

from pytorch_lightning.callbacks import Callback

from runner.job.context import Context
from runner.job.networks import Networks
from runner.tracking import checkpoints
from runner.tracking.resumptions import changed_at

RATE = "optimizer.lr"


def changed_settings(context: Context, networks: Networks) -> list[Callback]:
    """Return the callback that changes the settings of the checkpoint that training goes on from, where it has to.

    A checkpoint that was written after the change has the new settings already.
    """
    if networks.resume_from is None:
        return []
    found = changed_at(
        context.record.path, int(checkpoints.read_checkpoint(networks.resume_from).get("global_step", 0))
    )
    if found is None:
        return []
    from runner.callbacks.changed_settings import ChangedSettings

    before, after = found
    return [ChangedSettings(after[RATE] / before[RATE] if before.get(RATE) and after.get(RATE) else 1.0)]
