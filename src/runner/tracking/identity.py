"""A run's identity: the hash of everything that decides its result, by the names that classes were first known by."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from runner.compression.methods import DECLARATIONS, GROUPS

# Settings of the machine, of the record, what was expected beforehand, and which stages are put off for later. The same
# experiment on another machine keeps its identity.
MACHINE_SETTINGS = (
    "name",
    "logger",
    "compile",
    "channels_last",
    "expected",
    *(f"{group}.{key}" for group in GROUPS for key in DECLARATIONS),
    "export.known",
    "quantization.backend._target_",
    "data.root",
    "data.num_workers",
    "data.memory_limit_gb",
    "data.cache",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.log_every_n_steps",
    "callbacks.learning_rate",
    "callbacks.profile",
    "runner.hold",
)
# Settings that were added, with the values that do what was done before them: with these a run keeps its identity.
ADDED_SETTINGS: dict[str, Any] = {
    "batch_norm": {"recalibrate": False},
    "data.fit": "crop",
    "data.background": "white",
    "data.on_broken": "auto",
    "data.value_range": None,
    "data.content": None,
    "checkpoint_strict": True,
    "data.sampling": None,
    "data.missing": "error",
    "data.missing_values": None,
    "data.categorical": [],
    "data.max_categories": 50,
    "data.date_format": None,
    "data.date_parts": [],
    "data.delimiter": None,
    "data.decimal": None,
    "data.thousands": None,
    "data.encoding": None,
    "data.header": True,
    "task.class_weights": None,
}
# What the files of the data hold, where they are the user's own; then it counts in place of where they lie.
CONTENT = "data.content"
PLACE = r"(^|_)(root|paths?|files?|folders?|director(y|ies)|dirs?)$"
# The key that tells a run which was resumed with other settings from one that had them from the start.
HISTORY = "resumed"
# Sections that say how many runs there are, where they run and which of them is looked for; no run has them in its own
# configuration.
AROUND_RUNS = ("sweep", "launcher", "compression")
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


def identity(config: dict[str, Any]) -> str:
    """Return twelve hexadecimal digits; equal for equal experiments.

    Args:
        config: the resolved configuration as plain containers.
    """
    kept = as_first_named(config)  # a copy
    for dotted in MACHINE_SETTINGS:
        section, last = holder(kept, dotted)
        section.pop(last, None)
    for dotted, value in ADDED_SETTINGS.items():
        section, last = holder(kept, dotted)
        if section.get(last, value) == value:
            section.pop(last, None)
    section, last = holder(kept, CONTENT)
    if last in section:
        for key in [key for key in section if re.search(PLACE, str(key))]:
            section.pop(key)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def holder(config: dict[str, Any], dotted: str) -> tuple[dict[str, Any], str]:
    """Return the section that a dotted key lies in, empty where there is none, and the key's last part."""
    *sections, last = dotted.split(".")
    section: Any = config
    for key in sections:
        section = section.get(key) if isinstance(section, dict) else None
    return (section if isinstance(section, dict) else {}), last


def flatten(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested configuration by dotted keys (`{"optimizer.lr": 0.003}`); lists stay whole, {} vanishes."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


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
