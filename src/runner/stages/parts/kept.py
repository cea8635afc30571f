"""What a stage made of the trained network: kept as a checkpoint, and taken up again by a run that is resumed."""

from collections.abc import Mapping
from pathlib import Path

from runner.job.assemble import load_trained
from runner.job.job import Job
from runner.tracking import checkpoints


def keep_made(job: Job, name: str, metrics: Mapping[str, float]) -> None:
    """Writes `checkpoints/NAME.ckpt`: the float network as it is now, the steps to its shape, and `metrics`."""
    content = {
        "state_dict": checkpoints.without_distillation_loss(job.task.state_dict()),
        "structure": job.task.structure,
        type(job.datamodule).__qualname__: job.datamodule.state_dict(),
        "metrics": dict(metrics),
        "global_step": job.steps,
    }
    if job.record.primary:
        checkpoints.save_weights(place_of(job, name), content)
    job.checkpoint = place_of(job, name)


def take_up(job: Job, name: str) -> bool:
    """Whether `checkpoints/NAME.ckpt` is there, from before an interruption; the run then goes on with its network."""
    place = place_of(job, name)
    if not place.is_file():
        return False
    content = checkpoints.read_checkpoint(place)
    load_trained(job.task, content, place)
    job.replace_network(job.task.network, job.task.structure, name)
    job.steps, job.checkpoint = content["global_step"], place
    return True


def place_of(job: Job, name: str) -> Path:
    """Where it is kept."""
    return job.record.path / "checkpoints" / f"{name}.ckpt"
