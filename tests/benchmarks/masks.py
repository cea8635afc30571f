"""Training a U-Net on masks: the runner's epoch against a plain loop over the same network with data in memory."""

import statistics
import time

import torch
from torch.nn import functional as F  # noqa: N812

from runner.data.images.shapes.drawing import Scenes, draw
from runner.models.vision.unet import UNet
from runner.tasks.vision.segmentation import dice_loss
from tests.benchmarks.training import train

SAMPLES, SIZE, BATCH, ROUNDS, LEAST = 480, 64, 16, 3, 0.9
SEEN, HELD = 336, 48  # as the runner divides them: a fifth is for the test
OVERRIDES = ("data=shapes_masks", f"data.samples={SAMPLES}", "augmentation.flip=0", "trainer=cpu", "logger=csv")


def plain(scenes: Scenes) -> float:
    """Seconds of a plain epoch: normalise, forward, the same loss, backward and step; then validation."""
    network = UNet(3, SIZE, 4).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    started = time.perf_counter()
    network.train()
    for rows in torch.randperm(SEEN).split(BATCH):
        optimizer.zero_grad()
        loss(network, scenes, rows).backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        for rows in torch.arange(SEEN, SEEN + HELD).split(BATCH):
            loss(network, scenes, rows)
    return time.perf_counter() - started


def loss(network: UNet, scenes: Scenes, rows: torch.Tensor) -> torch.Tensor:
    """Cross-entropy and Dice of a batch."""
    outputs = network((scenes.images[rows].float() / 255 - 0.5) / 0.25)
    classes = scenes.masks[rows].long()
    return F.cross_entropy(outputs, classes) + dice_loss(outputs, classes, classes != 255)


def through_runner() -> float:
    """All of the second epoch of `python -m runner data=shapes_masks`, logging and checkpoints included."""
    times = train([*OVERRIDES, "trainer.max_epochs=2"])
    return times[-1] - times[-2]


def main() -> None:
    """Prints medians and the ratio of each round."""
    torch.set_num_threads(2)
    scenes = draw(SAMPLES, SIZE, most=6, noise=10, seed=0)
    plain(scenes), through_runner()
    rounds = [(plain(scenes), through_runner()) for _ in range(ROUNDS)]
    loop, ours = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(
        f"One epoch, model=unet data=shapes_masks, {SEEN} of {SIZE}x{SIZE}, batch {BATCH}, median of {ROUNDS} rounds:"
    )
    print(f"  plain loop {loop:.2f} s, runner {ours:.2f} s: {loop / ours:.2f} of its throughput (at least {LEAST:g})")
