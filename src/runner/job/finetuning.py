"""What a fine-tuned network leaves: its adapters alone, the plain network with what they learned, its latency."""

from runner.errors import RunnerError
from runner.job.assemble import is_adapted, merge_adapters
from runner.job.context import Context
from runner.job.networks import Networks
from runner.measure.latency import time_interleaved
from runner.tasks.base import Task
from runner.tracking import checkpoints, layout
from runner.tracking.result import ArtifactFile


def refuse_idle(context: Context, task: Task) -> None:
    """Raise RunnerError where a network uses the weights of adapted layers without calling them."""
    from runner.compression.finetuning.adapters import idle

    if names := idle(task.standalone(), context.datamodule.example(1)):
        raise RunnerError(
            f"finetune.layers: the network reads the weight of {', '.join(names[:3])} ({len(names)} layers) without "
            "calling the layer, so an adapter beside it would not train. Name the other layers."
        )


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


def latency(context: Context, task: Task) -> dict[str, float]:
    """Return the milliseconds that the finished network takes for one sample."""
    found = time_interleaved({"network": task.standalone()}, context.datamodule.example(1), runs=10, seconds=2.0)
    return {"finetune/latency_ms": found["network"].median_ms}
