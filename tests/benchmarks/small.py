"""Effect of pruning, distillation and int8 together on residual nets: accuracy, bytes, time."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.mnist import root

MOST_DROP, LEAST_SPEED, LEAST_SIZE = 0.003, 5.0, 8.0
NETWORK = ("experiment=mnist_resnet_fast", "trainer=cpu", "logger=csv")
CHAIN = (
    *("pruning=channel", "distillation=logits", "distillation.teacher=self", "quantization=qat"),
    *("stages=[test,prune,test,compress,test,export,benchmark]", "export.formats=[program]"),
    *("benchmark.batch_sizes=[256]",),
)
HALF = ("pruning.ratio=0.5", "pruning.scope=layer", "pruning.fine_tune.last_epochs=3")
WIDE = ("model.channels=[64,128]",)
# Channels in sixteens: what the CPU's int8 kernels take whole.
FIFTH = ("pruning.macs=0.8", "pruning.multiple_of=16", "pruning.rounds=2", "quantization.fine_tune.epochs=2")


def run(folder: str, name: str, *overrides: str) -> dict[str, float]:
    """The metrics of one run in `folder/name`."""
    command = [sys.executable, "-m", "runner", *NETWORK, *overrides, f"hydra.run.dir={folder}/{name}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    metrics: dict[str, float] = json.loads(Path(folder, name, "result.json").read_text())["metrics"]
    return metrics


def show(title: str, found: dict[str, float]) -> None:
    """Prints the figures with what they must be."""
    before, after = found["test/accuracy"], found["compressed/accuracy"]
    print(f"{title}, {found['pruning/macs_removed']:.0%} of the MACs pruned, distilled, int8:")
    print(f"  accuracy {before:.4f} → {after:.4f}, drop {before - after:.4f} (at most {MOST_DROP})")
    print(f"  {found['gain/size']:.1f} times smaller on disk (at least {LEAST_SIZE:g})")
    print(f"  {found['gain/speed/batch_256']:.2f} times as fast as compiled float32", end="")


def main() -> None:
    """Measures a network of the usual width and one four times as wide."""
    place = root()
    if place is None:
        print("small: needs the MNIST files (RUNNER_DATA=directory that holds MNIST/raw); skipped.")
        return
    data = f"data.root={place}"
    with tempfile.TemporaryDirectory() as folder:
        run(folder, "narrow", data)
        show("resnet", run(folder, "narrow_small", data, f"checkpoint={folder}/narrow", *CHAIN, *HALF))
        print(" (too narrow for int8 to pay)")
        run(folder, "wide", data, *WIDE, "trainer.max_epochs=1")
        show("wide resnet", run(folder, "wide_small", data, *WIDE, f"checkpoint={folder}/wide", *CHAIN, *FIFTH))
        print(f" (at least {LEAST_SPEED:g})")
