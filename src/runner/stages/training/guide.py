"""The teacher: opened once, and made to guide every training of the run from then on."""

from torch import nn

from runner.assemble import as_network
from runner.build import build
from runner.job import Job
from runner.stages.training.teacher import open_teacher

SELF = "self"


def guide_for(job: Job, student: nn.Module) -> nn.Module | None:
    """What makes the loss of training `student`; None where no teacher takes part.

    A teacher that is the run's own float network exists once something is made of it: the first training has none.

    Raises:
        RunnerError: the teacher cannot be opened, or does not answer as the student does.
    """
    settings = job.config.distillation
    if settings.kind == "none":
        return None
    if settings.teacher == SELF:
        if job.dense_network is None:
            return None
        job.teacher = job.dense_network
    elif job.teacher is None:
        job.teacher = open_teacher(job)
    example = job.datamodule.example(2)
    guide = build(settings, "recipe")(teacher=as_network(job.task, job.teacher), student=student, example=example)
    assert isinstance(guide, nn.Module)
    return guide
