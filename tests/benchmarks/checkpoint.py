"""Writing a checkpoint that survives a kill and a loss of power, against torch.save and a rename."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch

from runner.callbacks.checkpoint import DurableCheckpoints

PARAMETERS = 25_000_000  # 100 MB
RUNS, MOST = 11, 1.2


def plain(checkpoint: dict[str, Any], path: Path) -> None:
    """As a script writes one, flushed by nobody."""
    beside = path.with_suffix(".partial")
    torch.save(checkpoint, beside)
    beside.replace(path)


def seconds(write: Callable[[dict[str, Any], Path], object], checkpoint: dict[str, Any], path: Path) -> float:
    """How long one writing takes, over the file that is there."""
    began = perf_counter()
    write(checkpoint, path)
    return perf_counter() - began


def main() -> None:
    """Writes both in turns, in a directory of the system's for temporary files, and prints the ratio of the medians."""
    layer = torch.nn.Linear(PARAMETERS // 5_000, 5_000, bias=False)
    checkpoint = {"state_dict": layer.state_dict(), "epoch": 1}
    durable = DurableCheckpoints().save_checkpoint
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        pairs = [
            (seconds(durable, checkpoint, place / "durable.ckpt"), seconds(plain, checkpoint, place / "plain.ckpt"))
            for _ in range(RUNS + 1)
        ][1:]
    ours, theirs = (median(times) for times in zip(*pairs, strict=True))
    print(
        f"checkpoint of 100 MB: {ours * 1000:.0f} ms flushed to the disk, {theirs * 1000:.0f} ms by torch.save and a "
        f"rename: {ours / theirs:.2f} times (at most {MOST:g})"
    )
