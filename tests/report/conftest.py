"""Runs as the files that a report reads: two networks, three learning rates, two seeds, and one that failed."""

import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

# Better and better with the learning rate; the larger network a little better still.
ACCURACY = {("cnn", 0.001): 0.90, ("cnn", 0.01): 0.94, ("cnn", 0.1): 0.96}
ACCURACY |= {("resnet", 0.001): 0.91, ("resnet", 0.01): 0.95, ("resnet", 0.1): 0.97}
LATENCY = {"cnn": 2.0, "resnet": 5.0}
CHANNELS = {"cnn": [10, 20], "resnet": [16, 32]}
PARAMETERS = {"cnn": 8_490, "resnet": 41_514}
EPOCHS = 30


@pytest.fixture(scope="session")
def grid(tmp_path_factory) -> Path:
    """The directory of twelve finished runs in six groups and of a failed one; accuracy rises with the rank."""
    place = tmp_path_factory.mktemp("grid")
    numbers = itertools.count()
    for (model, rate), seed in itertools.product(ACCURACY, (1, 2)):
        accuracy = ACCURACY[model, rate] + (0.002 if seed == 1 else -0.002)
        write_run(place / str(next(numbers)), model, rate, seed, accuracy)
    failed = place / "failed"
    failed.mkdir()
    (failed / "status.json").write_text(json.dumps({"state": "failed", "error": "Loss <is> not a number"}))
    return place


def write_run(path: Path, model: str, rate: float, seed: int, accuracy: float) -> None:
    """One finished, quantized run; its int8 program is twice as fast, a quarter as large, and 0.01 less accurate."""
    settings = {"seed": seed, "data.shuffle_seed": seed, "optimizer.lr": rate, "model.channels": CHANNELS[model]}
    settings |= {"trainer.devices": 1 + seed, "model._target_": f"models.{model}"}
    metrics = {"test/accuracy": accuracy, "test/loss": 1 - accuracy, "compressed/accuracy": accuracy - 0.01}
    for program, factor in (("eager", 1.0), ("int8", 0.5)):
        metrics[f"benchmark/{program}/latency_ms/batch_1"] = LATENCY[model] * factor
    metrics |= {"benchmark/float_program/bytes": 4.0 * PARAMETERS[model]}
    metrics |= {"benchmark/int8_program/bytes": 1.0 * PARAMETERS[model]}
    result: dict[str, Any] = {
        "status": "done",
        "name": f"{model}-digits",
        "identity": path.name,
        "parameters": PARAMETERS[model],
        "seconds": {"fit": 60.0, "total": 65.0},
        "metrics": metrics,
        "artifacts": {},
        "settings": settings,
        "choices": {"model": model, "data": "digits"},
    }
    path.mkdir()
    (path / "result.json").write_text(json.dumps(result))
    (path / "metrics.csv").write_text("step,epoch,metric,value\n" + "\n".join(curve_lines(accuracy)))


def curve_lines(accuracy: float) -> Sequence[str]:
    """Accuracy that approaches its last value, and a loss that falls."""
    reached = [accuracy * (1 - math.exp(-epoch / 5)) for epoch in range(1, EPOCHS + 1)]
    return [
        f"{10 * epoch},{epoch},{name},{value}"
        for epoch, share in enumerate(reached, start=1)
        for name, value in (("val/accuracy", share), ("val/loss", 1 - share))
    ]
