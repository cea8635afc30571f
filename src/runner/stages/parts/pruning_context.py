"""What a round of pruning looks at, taken from a run: an example, training batches, their loss, early weights."""

import copy
from collections.abc import Iterator

from torch import nn

from runner.compression.pruning.recipe import PruningContext, PruningRecipe
from runner.data.module import Batch
from runner.job.build import build
from runner.job.context import Context
from runner.job.networks import Networks
from runner.stages.parts.early_weights import early_network
from runner.tasks.base import Task


def pruning_context(context: Context, networks: Networks) -> PruningContext:
    """Return the context for pruning the run's network, as it is now, from here on."""
    task = networks.task
    recipe: PruningRecipe = build(context.config.pruning, "recipe")
    batches = list(training_batches(context)) if recipe.needs_batches else []
    return PruningContext(
        dense=copy.deepcopy(task.network).cpu().eval(),
        example=context.example(),
        batches=batches,
        loss=lambda network, batch: task.loss(task.call(network, batch[0]), batch[1]),
        early=early_network(context, task),
    )


def training_batches(context: Context) -> Iterator[Batch]:
    """Return batches evenly spaced over the training data, not augmented: transformed inputs, and targets."""
    size = context.config.data.batch_size
    samples = context.datamodule.splits["train"].spread(size * context.config.pruning.importance_batches)
    return context.datamodule.batches(samples, size)


def standalone(task: Task, network: nn.Module) -> nn.Module:
    """Return `network` as the task's own is measured: a copy on the CPU, with one tensor as its input."""
    own, task.network = task.network, network
    try:
        return task.standalone()
    finally:
        task.network = own
