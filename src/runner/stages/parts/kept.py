"""What a stage made of the trained network, kept as a checkpoint, so that a resumed run goes on with it."""

from collections.abc import Mapping
from pathlib import Path

from runner.job.context import Context
from runner.job.networks import Networks
from runner.tracking import checkpoints


def keep_made(context: Context, networks: Networks, name: str, metrics: Mapping[str, float]) -> Path:
    """Write `checkpoints/NAME.ckpt`: the float network as it is now, the steps to its shape, and `metrics`."""
    path, task, datamodule = context.checkpoints / f"{name}.ckpt", networks.task, context.datamodule
    content = {
        "state_dict": checkpoints.without_distillation_loss(task.state_dict()),
        "structure": task.structure,
        type(datamodule).__qualname__: datamodule.state_dict(),
        "metrics": dict(metrics),
        "global_step": networks.steps,
    }
    context.signals.check()
    if context.record.primary:
        checkpoints.save_weights(path, content)
    return path
