"""The classes that moved: what the configuration of an older run directory calls them, and where they are now."""

from typing import Any

# Modules that a `_target_` named before, and those that hold the same classes now.
MODULES = {
    "runner.compression.quantization.number_formats": "runner.compression.quantization.weights.number_formats",
    "runner.compression.quantization.pt2e.observers": "runner.compression.quantization.backends.observers",
    "runner.compression.quantization.pt2e.recipes": "runner.compression.quantization.recipes",
    "runner.compression.quantization.pt2e.selection": "runner.compression.quantization.backends.selection",
    "runner.compression.quantization.sharing.recipe": "runner.compression.quantization.weights.shared_weights",
    "runner.compression.quantization.weight_only.recipe": "runner.compression.quantization.weights.weight_only",
    "runner.data.augmentation": "runner.data.images.augmentation",
    "runner.data.diabetes": "runner.data.tables.diabetes",
    "runner.data.digits": "runner.data.images.digits",
    "runner.data.graph.sampling.sampler": "runner.data.graph.sampler",
    "runner.data.hello": "runner.data.sequences.hello",
    "runner.data.image_folder": "runner.data.images.image_folder",
    "runner.data.names": "runner.data.sequences.names",
    "runner.data.synthetic": "runner.data.tables.synthetic",
    "runner.data.table": "runner.data.tables.table",
    "runner.data.vision": "runner.data.images.vision",
    "runner.tasks.averaging": "runner.callbacks.averaging",
    "runner.tracking.checkpoints": "runner.callbacks.checkpoint",
    "runner.tracking.epoch_cost": "runner.callbacks.epoch_cost",
    "runner.tracking.learning_rate": "runner.callbacks.learning_rate",
    "runner.tracking.profile": "runner.callbacks.profile",
}
_BEFORE = {now: before for before, now in MODULES.items()}
# Classes that have another name as well; the same in the other direction.
CLASSES = {
    f"runner.compression.distillation.{module}.{name}Guide": f"runner.compression.distillation.{module}.{name}Loss"
    for module, name in (("logits", "Logits"), ("features", "Feature"), ("attention", "Attention"))
}
_CLASSES_BEFORE = {now: before for before, now in CLASSES.items()}


def up_to_date(node: Any) -> Any:
    """Return plain nested containers with every `_target_` by the name that it has now."""
    return _renamed(node, MODULES, CLASSES)


def as_first_named(node: Any) -> Any:
    """Return plain nested containers with every `_target_` by its first name, so that identities outlive a move."""
    return _renamed(node, _BEFORE, _CLASSES_BEFORE)


def _renamed(node: Any, modules: dict[str, str], classes: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: _target(value, modules, classes)
            if key == "_target_" and isinstance(value, str)
            else _renamed(value, modules, classes)
            for key, value in node.items()
        }
    return [_renamed(item, modules, classes) for item in node] if isinstance(node, list) else node


def _target(target: str, modules: dict[str, str], classes: dict[str, str]) -> str:
    module, _, name = target.rpartition(".")
    return classes.get(target) or (f"{modules[module]}.{name}" if module in modules else target)
