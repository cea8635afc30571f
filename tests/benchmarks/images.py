"""Cost of images that are read decoded from disk: ResNet-18 on 64x64 cuts of 20,000 JPEGs, against images in memory."""

import itertools
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from runner.config.compose import compose
from runner.data.module import DataModule
from runner.job.assemble import build_data
from runner.job.build import build

IMAGES, SIDE, CLASSES = 20_000, 256, 10
ROUNDS, STEPS = 40, 1
LEAST_SPEED, CHECK_SECONDS = 0.9, 5.0
NETWORK = ("model=torchvision", "model.name=resnet18", "data=image_folder", "data.image_size=64")


def draw(root: Path) -> None:
    """Blurred colours with noise, as JPEGs of 256x256 in ten folders."""
    shapes = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(each).resize((SIDE + 64,) * 2, Image.Resampling.BICUBIC)) for each in shapes]

    def one(number: int) -> None:
        random = np.random.default_rng(number)
        top, left = random.integers(0, 64, 2)
        cut = large[number % len(large)][top : top + SIDE, left : left + SIDE].astype(np.int16)
        noisy = (cut + random.integers(-12, 13, (SIDE, SIDE, 1))).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(root / f"{number % CLASSES}" / f"{number:05}.jpg", quality=85)

    for number in range(CLASSES):
        (root / f"{number}").mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(one, range(IMAGES)))


def opened(root: Path, *overrides: str) -> DataModule:
    """The images as a run has them, and how long a run waits for them."""
    started = time.perf_counter()
    data = build_data(compose([*NETWORK, f"data.root={root}", *overrides]).config)
    print(f"  {' '.join(overrides):60} {time.perf_counter() - started:6.1f} s until the first batch")
    return data


def endless(data: DataModule) -> Iterator[tuple[Tensor, Tensor]]:
    """Training batches, epoch after epoch."""
    while True:
        yield from data.train_dataloader()  # type: ignore[misc]


class Training:
    """Steps of one network on the batches of one source."""

    def __init__(self, data: DataModule) -> None:
        config = compose([*NETWORK, "data.root=.", f"data.num_classes={CLASSES}"]).config
        network = build(config, "model").to(memory_format=torch.channels_last)
        self.network: nn.Module = network.train()
        self.data, self.batches = data, endless(data)
        self.optimizer = torch.optim.AdamW(self.network.parameters())

    def seconds(self) -> float:
        """Wall time of some steps."""
        started = time.perf_counter()
        for _ in range(STEPS):
            inputs, targets = self.data.training_batch(next(self.batches))
            self.optimizer.zero_grad()
            F.cross_entropy(self.network(inputs), targets).backward()  # type: ignore[arg-type]
            self.optimizer.step()
        return time.perf_counter() - started


def check(*overrides: str) -> tuple[float, float]:
    """Wall time and processor time of `python -m runner check`, from an interpreter that has not started to its end."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "runner", "check", *overrides], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def milliseconds_a_batch(data: DataModule) -> float:
    """Wall time of handing out one batch, without a network; the least of some epochs."""
    loader = data.val_dataloader()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        batches = sum(1 for _ in loader)
        times.append((time.perf_counter() - started) / batches)
    return 1000 * min(times)


def main() -> None:
    """Prints how fast training is from disk, in memory's speed, and how long a check takes."""
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "images", Path(folder) / "cache"
        draw(root)
        print(f"{IMAGES:,} JPEGs of {SIDE}x{SIDE}:")
        opened(root, f"data.cache={cache}")
        sides = {
            "disk": Training(opened(root, f"data.cache={cache}")),
            "memory": Training(opened(root, "data.cache=none")),
            "JPEG": Training(opened(root, "data.cache=none", "data.memory_limit_gb=0")),
        }
        for side in sides.values():
            side.seconds()
        # One step of each in turn, in another order every time, so that a busy moment hits all of them.
        turns = list(itertools.permutations(sides))
        rounds = [{name: sides[name].seconds() for name in turns[each % len(turns)]} for each in range(ROUNDS)]
        handing_out = {name: milliseconds_a_batch(sides[name].data) for name in ("disk", "memory")}
        checks = {"these images": min(check(*NETWORK, f"data.root={root}") for _ in range(3))}
        checks["digits"] = min(check("data=digits") for _ in range(3))
    medians = {name: statistics.median(each[name] for each in rounds) for name in sides}
    for name, needed in {"disk": f"at least {LEAST_SPEED}", "JPEG": "decoded anew, one process"}.items():
        low, _, high = statistics.quantiles([each["memory"] / each[name] for each in rounds], n=4)
        speed = medians["memory"] / medians[name]
        print(f"  {name}: {speed:.2f} times the speed from memory (quartiles {low:.2f} to {high:.2f}; {needed})")
    print(f"  a step from memory: {medians['memory'] * 1000:.0f} ms, median of {ROUNDS}")
    print("  a batch alone:", ", ".join(f"{name} {value:.2f} ms" for name, value in handing_out.items()))
    for name, (wall, processor) in checks.items():
        print(
            f"  check of {name}: {wall:.1f} s, {processor:.1f} s of them computing (must be below {CHECK_SECONDS:.0f})"
        )
