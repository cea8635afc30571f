"""What a `_target_` may name: the classes, and the few functions, that a run is made of."""

from collections.abc import Iterator, Sequence
from typing import Any

# Packages and modules below which a configuration may name classes. Of torch and the libraries only what a run is
# built from: torch.load, torch.hub and LightningCLI execute what they are given.
ALLOWED_TARGETS = (
    "runner.callbacks.",
    "runner.compression.distillation.",
    "runner.compression.factorization.",
    "runner.compression.finetuning.",
    "runner.compression.files.aot_file.",
    "runner.compression.files.executorch_file.",
    "runner.compression.files.onnx_file.",
    "runner.compression.files.openvino_file.",
    "runner.compression.files.packed_file.",
    "runner.compression.files.program_file.",
    "runner.compression.pruning.",
    "runner.compression.quantization.",
    "runner.data.",
    "runner.models.",
    "runner.sweep.launchers.in_process.",
    "runner.sweep.launchers.processes.",
    "runner.sweep.launchers.ray.",
    "runner.sweep.launchers.slurm.",
    "runner.tasks.",
    "runner.tracking.loggers.",
    "runner.tracking.services.",
    "torch.nn.",
    "torch.optim.",
    "torchvision.models.",
    "torchvision.transforms.",
    "timm.models.",
    "timm.layers.",
    "timm.loss.",
    "timm.optim.",
    "timm.scheduler.",
    "torchmetrics.",
    "pytorch_lightning.callbacks.",
    "pytorch_lightning.loggers.",
    "pytorch_lightning.strategies.",
    "pytorch_lightning.profilers.",
    "pytorch_lightning.plugins.",
    "pytorch_lightning.Trainer",
    "pytorch_lightning.trainer.trainer.Trainer",
    "torch_geometric.nn.",
)
# Where functions may be named as well: those that return a network or a schedule. Those of torchvision and timm must
# also stand in their library's own list of networks.
ALLOWED_FUNCTIONS = (
    "runner.models.",
    "runner.tasks.schedules.",
    "torchvision.models.",
    "timm.models.",
)


def is_allowed(target: str, plugins: Sequence[str], prefixes: tuple[str, ...] = ALLOWED_TARGETS) -> bool:
    """Return whether a dotted name of public names lies below one of these packages or a plugin."""
    if any(part.startswith("_") for part in target.split(".")):
        return False
    return target.startswith(prefixes) or any(target.startswith(f"{plugin}.") for plugin in plugins)


def check_targets(config: Any, plugins: Sequence[str], where: str = "") -> Iterator[str]:
    """Yield a message for every `_target_` outside the allowed packages.

    Of the known file formats only those count that the run is told to write.
    """
    if where == "export":
        named = config.get("formats") if isinstance(config.get("formats"), list) else []
        known = config.get("known") if isinstance(config.get("known"), dict) else {}
        config = {name: node for name, node in known.items() if name in named}
    if isinstance(config, dict):
        target = config.get("_target_")
        if target is not None and not is_allowed(str(target), plugins):
            yield f"{where}._target_={target}: not in an allowed package. {way_out(str(target))}"
        for key, value in config.items():
            yield from check_targets(value, plugins, f"{where}.{key}" if where else str(key))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from check_targets(value, plugins, f"{where}[{index}]")


def way_out(target: str) -> str:
    """Return how code of one's own joins; what may be named otherwise is told in the documentation."""
    package = target.split(".")[0]
    return f"For code of your own add runner.plugins=[{package}]; docs/extending.md says what may be named."
