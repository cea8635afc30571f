"""Where a teacher comes from: the run that trained it."""

from pathlib import Path

from torch import nn

from runner.assemble import restore
from runner.errors import RunnerError
from runner.job import Job
from runner.tracking.run_directory import RunDirectory


def open_teacher(job: Job) -> nn.Module:
    """The network of the run that `distillation.teacher` names, in evaluation mode.

    Raises:
        RunnerError: there is no such run, or it kept no weights.
    """
    place = Path(job.config.distillation.teacher)
    if not place.is_dir():
        raise RunnerError(f"distillation.teacher={place}: there is no such run directory.")
    _, task = restore(RunDirectory(place).config(), place)
    return task.standalone()
