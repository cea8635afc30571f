"""The teacher: opened once, and made to guide every training of the run from then on."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities.seed import isolate_rng
from torch import nn

from runner.compression.distillation.loss import DistillationLoss
from runner.compression.distillation.settings import SELF
from runner.compression.methods import is_chosen
from runner.job.build import build
from runner.job.job import Job
from runner.stages.parts.teacher import open_teacher
from runner.tasks.base import Task


@contextmanager
def guided(job: Job, task: Task) -> Iterator[None]:
    """Within this context the task's training is guided, where a teacher takes part; nothing of that stays behind.

    Raises:
        RunnerError: the teacher cannot be opened, or does not answer as the student does.
    """
    with isolate_rng():  # the run goes on with the numbers that it would draw without a teacher
        guide = loss_of(job, task)
    if guide is None:
        yield
        return
    task.distillation_loss = guide
    try:
        yield
    finally:
        guide.close()
        task.distillation_loss = None


def loss_of(job: Job, task: Task) -> DistillationLoss | None:
    """Teacher and task's network, ready for a training; None where no teacher takes part."""
    teacher = teacher_of(job)
    if teacher is None:
        return None
    recipe = build(job.config.distillation, "recipe")
    guide: DistillationLoss = recipe(
        teacher=teacher, student=task.network, example=job.datamodule.example(2), call=task.call
    )
    return guide


def teacher_of(job: Job) -> nn.Module | None:
    """Who guides the training that comes next; None where nobody does.

    A teacher that is the run's own float network exists once something is made of it: the first training has none.
    """
    settings = job.config.distillation
    if not is_chosen(settings):
        return None
    if settings.teacher == SELF:
        return job.dense_network
    job.teacher = job.teacher or open_teacher(job)
    return job.teacher
