"""Cost of a report over a thousand finished runs, the start of the process included: as a table and as HTML."""

import copy
import csv
import itertools
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from runner.config.compose import compose
from runner.files import write_json, write_text
from runner.tracking.identity import flatten, identity
from runner.tracking.result import RunResult

RUNS, ROUNDS, STEPS, EPOCHS = 1000, 5, 200, 20
MODELS, OPTIMIZERS, RATES, SEEDS = ("cnn", "resnet"), ("sgd", "adam"), 50, 5
TABLE_SECONDS, PAGE_SECONDS, PAGE_BYTES = 3.0, 10.0, 5_000_000


def write_runs(place: Path) -> None:
    """A grid of two networks, two optimizers, fifty learning rates and five seeds, as a sweep leaves it."""
    number = itertools.count()
    for model, optimizer in itertools.product(MODELS, OPTIMIZERS):
        composed = compose([f"model={model}", f"optimizer={optimizer}"])
        plain: Any = OmegaConf.to_container(composed.config, resolve=True)
        for step, seed in itertools.product(range(RATES), range(SEEDS)):
            config = copy.deepcopy(plain)
            config["optimizer"]["lr"] = rate = 10 ** (-4 + 4 * step / RATES)
            config["seed"] = config["data"]["shuffle_seed"] = seed
            texts = [*composed.overrides, f"optimizer.lr={rate}", f"seed={seed}"]
            write_run(place / str(next(number)), config, composed.chosen, texts)


def write_run(path: Path, config: dict[str, Any], chosen: dict[str, str], overrides: list[str]) -> None:
    """One finished run: every text file that a real one has, and a checkpoint of zeros."""
    draw = random.Random(str(overrides))
    accuracy = 0.99 - 0.1 * abs(math.log10(config["optimizer"]["lr"]) + 2) + draw.gauss(0, 0.003)
    for folder in ("checkpoints", "tensorboard", "artifacts"):
        (path / folder).mkdir(parents=True)
    (path / "checkpoints" / "best.ckpt").write_bytes(bytes(10_000))
    write_text(path / "config.yaml", yaml.dump(config, Dumper=yaml.CSafeDumper))
    write_text(path / "overrides.yaml", yaml.dump(overrides, Dumper=yaml.CSafeDumper))
    write_json(path / "status.json", {"state": "done", "choices": chosen, "started": time.time()})
    write_curves(path / "metrics.csv", accuracy)
    test = {"test/accuracy": accuracy, "test/f1": accuracy, "test/loss": 4 * (1 - accuracy)}
    result = RunResult(
        status="done",
        name=config["name"],
        identity=identity(config),
        run_directory=str(path),
        parameters=8_490,
        seconds={"fit": 30.0, "test": 0.1, "total": 30.1 + draw.random()},
        metrics={"val/accuracy": accuracy - 0.01, "val/loss": 4 * (1.01 - accuracy), **test},
        checkpoint="checkpoints/best.ckpt",
        settings=flatten(config),
        choices=chosen,
    )
    result.save(path / "result.json")


def write_curves(path: Path, accuracy: float) -> None:
    """A loss every few steps, and four metrics every epoch."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "epoch", "metric", "value"])
        for step in range(STEPS):
            writer.writerow([step, step * EPOCHS // STEPS, "train/loss_step", 2.3 * math.exp(-step / 40)])
        for epoch in range(EPOCHS):
            reached = accuracy * (1 - math.exp(-(epoch + 1) / 4))
            values = {
                "train/accuracy": reached,
                "train/loss": 1 - reached,
                "val/accuracy": reached,
                "val/loss": 1 - reached,
            }
            writer.writerows([(epoch + 1) * STEPS // EPOCHS, epoch, name, value] for name, value in values.items())


def seconds(*arguments: str) -> float:
    """Wall time of one command, from an interpreter that has not started to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "runner", "report", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Prints medians beside what they may cost."""
    with tempfile.TemporaryDirectory() as folder:
        place, page = Path(folder) / "sweep", Path(folder) / "report.html"
        write_runs(place)
        table = [seconds(str(place)) for _ in range(ROUNDS)]
        html = [seconds(str(place), "--format", "html", "--output", str(page)) for _ in range(ROUNDS)]
        size = page.stat().st_size
    print(f"report over {RUNS:,} finished runs, median of {ROUNDS}:")
    print(f"  table  {statistics.median(table):5.2f} s (at most {max(table):.2f}; must be below {TABLE_SECONDS:.0f})")
    print(f"  html   {statistics.median(html):5.2f} s (at most {max(html):.2f}; must be below {PAGE_SECONDS:.0f})")
    print(f"         {size / 1e6:.2f} MB (must be below {PAGE_BYTES / 1e6:.0f})")
