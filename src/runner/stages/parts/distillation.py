"""The teacher of a run: opened once, and its loss added to every training of the run from then on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytorch_lightning.utilities.seed import isolate_rng
from torch import nn

from runner.compression.methods import is_chosen
from runner.job.build import build
from runner.job.context import Context
from runner.job.networks import Networks
from runner.tasks.base import Task

if TYPE_CHECKING:  # most runs have no teacher
    from runner.compression.distillation.loss import DistillationLoss


@contextmanager
def distilled(context: Context, networks: Networks, task: Task) -> Iterator[None]:
    """Within this context a teacher takes part in the task's training, where the run has one; nothing of that stays.

    Raises:
        RunnerError: the teacher cannot be opened, or does not answer as the student does.
    """
    with isolate_rng():  # the run goes on with the numbers that it would draw without a teacher
        teacher = teacher_of(context, networks)
        loss = None if teacher is None else loss_of(context, teacher, task)
    if loss is None:
        yield
        return
    task.distillation_loss = loss
    try:
        yield
    finally:
        loss.close()
        task.distillation_loss = None


def loss_of(context: Context, teacher: nn.Module, task: Task) -> "DistillationLoss":
    """Return the distillation loss of the task's network under a teacher."""
    recipe = build(context.config.distillation, "recipe")
    example = context.datamodule.example(2)
    loss: DistillationLoss = recipe(teacher=teacher, student=task.network, example=example, call=task.call)
    return loss


def teacher_of(context: Context, networks: Networks) -> nn.Module | None:
    """Return who teaches in the training that comes next; None where nobody does.

    A teacher that is the run's own float network exists once something is made of it: the first training has none.
    """
    settings = context.config.distillation
    if not is_chosen(settings):
        return None
    from runner.compression.distillation.settings import SELF
    from runner.stages.parts.teacher import open_teacher

    if settings.teacher == SELF:
        return networks.trained
    place = str(settings.teacher)
    if place not in context.teachers:
        context.teachers[place] = open_teacher(context, networks.task)
    return context.teachers[place]


def check_teacher(context: Context, networks: Networks) -> None:
    """Find, before any training, a teacher that cannot be opened, and layers that cannot be compared.

    Raises:
        RunnerError: see `distilled`.
    """
    if not is_chosen(context.config.distillation):
        return
    teacher = teacher_of(context, networks)
    # The network teaches itself once it is trained; its layers are known by now.
    loss_of(context, networks.baseline if teacher is None else teacher, networks.task).close()
