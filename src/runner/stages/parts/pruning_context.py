"""What a round of pruning looks at, taken from a run: an example, training batches, their loss, early weights."""

import copy
from collections.abc import Iterator

from torch import nn

from runner import nested
from runner.compression.pruning.importance import TAYLOR
from runner.compression.pruning.recipe import PruningContext
from runner.data.module import Batch
from runner.job.job import Job
from runner.nested import Nested
from runner.stages.parts.early_weights import early_network


def pruning_context(job: Job) -> PruningContext:
    """The context for pruning the run's network, as it is now, from here on."""
    batches = list(training_batches(job)) if job.config.pruning.importance == TAYLOR else []
    return PruningContext(
        dense=copy.deepcopy(job.task.network).cpu().eval(),
        example=example(job),
        batches=batches,
        loss=lambda network, batch: job.task.loss(job.task.call(network, batch[0]), batch[1]),
        early=early_network(job),
    )


def example(job: Job) -> Nested:
    """Two inputs as the network takes them, or one of data that is shown one by one."""
    return nested.to(job.datamodule.example(2), "cpu")


def training_batches(job: Job) -> Iterator[Batch]:
    """Batches evenly spaced over the training data, not augmented: transformed inputs, and targets."""
    size = job.config.data.batch_size
    samples = job.datamodule.splits["train"].spread(size * job.config.pruning.importance_batches)
    return job.datamodule.batches(samples, size)


def standalone(job: Job, network: nn.Module) -> nn.Module:
    """`network` in the form in which the run's network is measured: on the CPU, with one tensor as its input."""
    own, job.task.network = job.task.network, network
    try:
        return job.task.standalone()
    finally:
        job.task.network = own
