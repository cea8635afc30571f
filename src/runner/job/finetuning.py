"""Fine-tuning in a run: adapters are put on before training, and saved, counted and merged behind it."""

from omegaconf import DictConfig
from pytorch_lightning.callbacks import Callback

from runner.compression.methods import is_chosen
from runner.job.assemble import is_adapted, merge_adapters
from runner.job.build import build
from runner.job.context import Context
from runner.job.networks import Networks
from runner.measure.latency import time_interleaved
from runner.tasks.base import Task
from runner.tasks.trainable import head_of
from runner.tracking import checkpoints, layout
from runner.tracking.result import ArtifactFile


def adapt(config: DictConfig, task: Task) -> None:
    """Put the adapters of `finetune=` on a task's network, in the place where its weights lie.

    Raises:
        RunnerError: the method cannot take this network.
    """
    if is_chosen(config.get("finetune")) and "fit" in config.stages:
        task.structure = [*task.structure, *build(config, "finetune.recipe")(task.network, head_of(task.network))]


def merged(context: Context, networks: Networks) -> dict[str, ArtifactFile]:
    """Keep the adapters in a trained network alone, merge them, and let its checkpoint hold the plain network."""
    task = networks.task
    artifacts: dict[str, ArtifactFile] = {}
    if not is_adapted(task):
        return artifacts
    from runner.compression.finetuning.adapter_file import save_adapter

    base, folder = str(context.config.model.get("name") or type(task.network).__name__), context.record.path
    if context.record.primary:
        files = save_adapter(task.network, task.structure[-1], base, folder / layout.ADAPTER)
        artifacts = {file.stem + file.suffix.replace(".", "_"): context.artifact(file) for file in files}
    merge_adapters(task)
    if networks.checkpoint is not None and context.record.primary:
        content = checkpoints.read_checkpoint(networks.checkpoint)
        content["state_dict"], content["structure"] = task.state_dict(), task.structure
        content.pop("training", None)
        checkpoints.save_weights(networks.checkpoint, content)
    return artifacts


def costs(config: DictConfig) -> list[Callback]:
    """Return what notes the cost of fine-tuning while it trains; nothing without `finetune=`."""
    if not is_finetuned(config):
        return []
    from runner.callbacks.finetune_cost import FineTuneCost

    return [FineTuneCost()]


def latency(context: Context, task: Task) -> dict[str, float]:
    """Return the milliseconds that the finished network takes for one sample; nothing without `finetune=`."""
    if not is_finetuned(context.config):
        return {}
    found = time_interleaved({"network": task.standalone()}, context.datamodule.example(1), runs=10, seconds=2.0)
    return {"finetune/latency_ms": found["network"].median_ms}


def is_finetuned(config: DictConfig) -> bool:
    """Return whether a choice of `finetune=` says what trains; runs of older versions have no such section."""
    return (config.get("finetune") or {}).get("kind", "none") != "none"
