"""The weights of early training that lottery tickets go back to, as the stage fit kept them."""

import copy
from pathlib import Path

from torch import nn

from runner.job.context import Context
from runner.tasks.base import Task
from runner.tracking import checkpoints, layout
from runner.tracking.weights.matching import inside


def early_network(context: Context, task: Task) -> nn.Module | None:
    """Return the run's network as this run, or the one it starts from, had it early in training.

    None where nobody kept it.
    """
    epoch = context.config.pruning.get("rewind_epoch")
    found = None if epoch is None else find(context, epoch)
    if found is None:
        return None
    network = copy.deepcopy(task.network).cpu().eval()
    network.load_state_dict(inside(checkpoints.read_checkpoint(found)["state_dict"], checkpoints.NETWORK))
    return network


def find(context: Context, epoch: int) -> Path | None:
    """Return the file, in the run's own directory or in the one that it starts from."""
    directories = [context.record.path, *([Path(context.config.checkpoint)] if context.config.checkpoint else [])]
    return next((place(each, epoch) for each in directories if place(each, epoch).is_file()), None)


def place(directory: Path, epoch: int) -> Path:
    """Return where the weights after an epoch lie in a run directory."""
    return directory / layout.CHECKPOINTS / f"epoch_{epoch}.ckpt"
