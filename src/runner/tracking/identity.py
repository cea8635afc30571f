"""A run's identity: the hash of everything that decides its result, and of nothing that does not."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from runner.compression.methods import DECLARATIONS, GROUPS
from runner.tracking.renamed import as_first_named

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
}
# Sections that say how many runs there are, where they run and which of them is looked for; no run has them in its own
# configuration.
AROUND_RUNS = ("sweep", "launcher", "compression")


def identity(config: dict[str, Any]) -> str:
    """Return twelve hexadecimal digits; equal for equal experiments.

    Args:
        config: the resolved configuration as plain containers.
    """
    kept = as_first_named(copy.deepcopy(config))
    for dotted in (*MACHINE_SETTINGS, *ADDED_SETTINGS):
        *sections, last = dotted.split(".")
        section: Any = kept
        for key in sections:
            section = section.get(key) if isinstance(section, dict) else None
        if isinstance(section, dict) and (dotted in MACHINE_SETTINGS or section.get(last) == ADDED_SETTINGS[dotted]):
            section.pop(last, None)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def flatten(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested configuration by dotted keys (`{"optimizer.lr": 0.003}`); lists stay whole, {} vanishes."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
