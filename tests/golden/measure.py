"""One golden run: what it measures, and how far that is from what was written down."""

import json
from pathlib import Path

import pytest

from runner.cli.main import main
from runner.compression.quantization.program.network import QuantizedNetwork
from tests.golden import AFTER_COMPRESSION, COMPRESSED, FOLDER, LOSS, RUNS, SHARE

ALWAYS = ("seed=1", "trainer=cpu", "logger=none")
# Times and memory are not the network's.
MACHINE = ("seconds", "latency", "memory", "speed", "kernels/", "bytes")


def measure(name: str, directory: Path) -> dict[str, float]:
    """Run it into `directory` and return its metrics by name. Nothing is compiled: programs run as converted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QuantizedNetwork, "can_lower", False)
        status = main([*RUNS[name], *ALWAYS, f"hydra.run.dir={directory}"])
    if status:
        raise SystemExit(f"{name}: exit status {status}")
    metrics = json.loads((directory / "result.json").read_text())["metrics"]
    return {key: value for key, value in sorted(metrics.items()) if not any(word in key for word in MACHINE)}


def file(name: str) -> Path:
    return FOLDER / f"{name}.json"


def strays(expected: dict[str, float], found: dict[str, float]) -> list[str]:
    """The metrics that are missing, new, or further from what was written down than their tolerance."""
    lines = [f"{name}: only in one of both" for name in sorted(expected.keys() ^ found.keys())]
    for name in sorted(expected.keys() & found.keys()):
        if not abs(found[name] - expected[name]) <= tolerance(name, expected[name]):  # nan strays
            lines.append(f"{name}: {expected[name]:.6g} was written down, {found[name]:.6g} was measured")
    return lines


def tolerance(name: str, value: float) -> float:
    """How far a metric may be from `value`; see the package."""
    relative = COMPRESSED if name.startswith(AFTER_COMPRESSION) else LOSS
    counts_samples = any(word in name for word in ("accuracy", "f1", "precision", "recall", "auroc"))
    return max(relative * max(abs(value), 0.1), SHARE if counts_samples else 0.0)
