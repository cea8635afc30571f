"""What pruning, distillation and int8 together make of a wide residual net: accuracy, bytes, time."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.mnist import root

MOST_DROP, LEAST_SPEED, LEAST_SIZE = 0.003, 5.0, 8.0
NETWORK = ("experiment=mnist_resnet_fast", "model.channels=[64,128]", "trainer=cpu", "logger=csv")
# Channels in sixteens: what the CPU's int8 kernels take whole.
CHAIN = (
    *("pruning=channel", "pruning.macs=0.8", "pruning.multiple_of=16", "pruning.rounds=2"),
    *("distillation=logits", "distillation.teacher=self", "quantization=qat", "quantization.fine_tune.epochs=2"),
    *("stages=[test,prune,test,compress,test,export,benchmark]", "export.formats=[program]"),
    *("benchmark.batch_sizes=[256]",),
)


def run(folder: str, name: str, *overrides: str) -> dict[str, float]:
    """The metrics of one run in `folder/name`."""
    command = [sys.executable, "-m", "runner", *NETWORK, *overrides, f"hydra.run.dir={folder}/{name}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    metrics: dict[str, float] = json.loads(Path(folder, name, "result.json").read_text())["metrics"]
    return metrics


def main() -> None:
    """Prints the three figures with what they must be."""
    place = root()
    if place is None:
        print("small: needs the MNIST files (RUNNER_DATA=directory that holds MNIST/raw); skipped.")
        return
    with tempfile.TemporaryDirectory() as folder:
        data = f"data.root={place}"
        run(folder, "wide", data, "trainer.max_epochs=1")
        found = run(folder, "small", data, f"checkpoint={folder}/wide", *CHAIN)
    drop = found["test/accuracy"] - found["compressed/accuracy"]
    print(f"wide resnet, {found['pruning/macs_removed']:.0%} of the MACs pruned, distilled, int8:")
    print(f"  accuracy {found['test/accuracy']:.4f} → {found['compressed/accuracy']:.4f} (drop at most {MOST_DROP})")
    print(f"  {found['gain/size']:.1f} times smaller on disk (at least {LEAST_SIZE:g}), drop {drop:.4f}")
    print(f"  {found['gain/speed/batch_256']:.2f} times as fast as compiled float32 (at least {LEAST_SPEED:g})")
