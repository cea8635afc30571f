"""Run directories with what their files say, written by hand: no run, no torch."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

NETWORKS: dict[str, dict[str, Any]] = {
    "cnn": {"_target_": "nets.CNN", "in_channels": 1, "channels": [10, 20]},
    "mlp": {"_target_": "nets.mlp", "in_channels": 1, "hidden": [64, 32]},
}

Write = Callable[..., Path]


def settings_of(model: str, seed: int) -> dict[str, Any]:
    """A small configuration by dotted keys, with the copies and derived keys that a real one has."""
    return {
        "seed": seed,
        "name": f"{model}-digits",
        "stages": ["fit", "test"],
        "data.shuffle_seed": seed,
        "data.channels": 1,
        "data.num_workers": 0,
        **{f"model.{key}": value for key, value in NETWORKS[model].items()},
        "optimizer.lr": 0.01,
        "task.monitor": "val/accuracy",
        "task.monitor_mode": "max",
    }


def writer(root: Path) -> Write:
    """A function: `write(model="mlp", seed=2, metrics={…}, settings={…})` leaves a finished run below `root`."""
    numbers = itertools.count()

    def write(
        *,
        model: str = "cnn",
        seed: int = 1,
        metrics: dict[str, float | None] | None = None,
        settings: dict[str, Any] | None = None,
        choices: dict[str, str] | None = None,
        typed: tuple[str, ...] = (),
        place: str | None = None,
        **entries: Any,
    ) -> Path:
        number = next(numbers)
        path = root / (str(number) if place is None else place)
        path.mkdir(parents=True)
        result = {
            "status": "done",
            "name": f"{model}-digits",
            "identity": f"{number:012}",
            "run_directory": str(path),
            "parameters": 100,
            "seconds": {"fit": 1.5, "total": 2.0},
            "metrics": {"val/accuracy": 0.5, "test/accuracy": 0.5} if metrics is None else metrics,
            "artifacts": {},
            "checkpoint": None,
            "settings": settings_of(model, seed) | (settings or {}),
            "choices": {"model": model, "data": "digits"} if choices is None else choices,
            **entries,
        }
        texts = (f"model={model}", f"seed={seed}", *typed)
        (path / "result.json").write_text(json.dumps(result))
        (path / "status.json").write_text(json.dumps({"state": "done", "started": 1000.0 + number}))
        (path / "overrides.yaml").write_text("".join(f"- {text}\n" for text in texts))
        return path

    return write


def status_writer(root: Path) -> Write:
    """A function: `write_status("a", state="failed", error="…")` leaves a run without a result below `root`."""

    def write_status(place: str, **status: Any) -> Path:
        path = root / place
        path.mkdir(parents=True)
        (path / "config.yaml").write_text("name: cnn-digits\nseed: 3\noptimizer: {lr: 0.01}\n")
        (path / "overrides.yaml").write_text("- seed=3\n")
        (path / "status.json").write_text(json.dumps(status))
        return path

    return write_status
