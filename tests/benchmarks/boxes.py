"""Detectors: an epoch against a plain loop, the average precision of a large set, and suppression of many boxes."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from runner.config.compose import compose
from runner.job.assemble import build_data, build_task
from runner.tasks.vision.average_precision import Matches
from runner.tasks.vision.grid import select
from tests.benchmarks.training import train

EPOCHS, ROUNDS = 2, 3
DETECTOR = ("data=shapes_boxes", "data.samples=1280", "trainer=cpu", "logger=csv", "augmentation.flip=0")
QUIET = (f"trainer.max_epochs={EPOCHS}", f"trainer.check_val_every_n_epoch={EPOCHS + 1}", "callbacks=[]")
IMAGES, OBJECTS, FOUND, CLASSES = 5_000, 20, 30, 20
BOXES = 10_000


def main() -> None:
    """Print the three figures beside what they must be."""
    ours, plain = [], []
    for _ in range(ROUNDS):
        times = train([*DETECTOR, *QUIET])
        ours.append((times[-1] - times[0]) / EPOCHS)
        plain.append(plain_epochs())
    ratio = statistics.median(plain) / statistics.median(ours)
    print(f"One epoch of model=yolo, data in memory, median of {ROUNDS} rounds of {EPOCHS}:")
    print(f"  the runner  {statistics.median(ours):6.2f} s")
    print(f"  plain loop  {statistics.median(plain):6.2f} s: {ratio:.2f} of its throughput (at least 0.9)")
    print(f"Average precision of {IMAGES:,} images of {OBJECTS} boxes and {FOUND} detections: {precision():.1f} s (10)")
    select_all, library = suppression()
    print(f"Suppression of {BOXES:,} boxes: {1000 * select_all:.1f} ms, torchvision's {1000 * library:.1f} ms")


def plain_epochs() -> float:
    """Return the seconds of an epoch in a loop of PyTorch alone, over the same network, loss and batches."""
    config = compose([*DETECTOR]).config
    datamodule = build_data(config)
    task = build_task(config, datamodule)
    samples, size = datamodule.splits["train"], config.data.batch_size
    images, targets = datamodule.transform(samples.inputs), samples.targets
    optimizer = torch.optim.AdamW(task.network.parameters(), lr=0.001)
    task.network.train()
    begin = time.perf_counter()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(size):
            loss = task.loss(task.network(images[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return (time.perf_counter() - begin) / EPOCHS


def some_boxes(*shape: int) -> Tensor:
    """Return corners (…, 4) in an image of 640 pixels."""
    low = 560 * torch.rand(*shape, 2)
    return torch.cat([low, low + 10 + 70 * torch.rand(*shape, 2)], dim=-1)


def precision() -> float:
    """Return the seconds that mean average precision takes, found boxes lying near true ones or anywhere."""
    true = torch.cat([torch.randint(CLASSES, (IMAGES, OBJECTS, 1)).float(), some_boxes(IMAGES, OBJECTS)], dim=2)
    near = torch.cat([true[..., 1:] + 4 * torch.randn(IMAGES, OBJECTS, 4), torch.rand(IMAGES, OBJECTS, 1)], dim=2)
    near = torch.cat([near, true[..., :1]], dim=2)
    more = FOUND - OBJECTS
    wrong = torch.cat([some_boxes(IMAGES, more), torch.rand(IMAGES, more, 1)], dim=2)
    wrong = torch.cat([wrong, torch.randint(CLASSES, (IMAGES, more, 1)).float()], dim=2)
    return seconds(lambda: Matches(CLASSES).average_precision([torch.cat([near, wrong], dim=1)], [true]), 1)


def suppression() -> tuple[float, float]:
    """Return the seconds of `select` on one image, of whose boxes it looks at the best, and of torchvision on all."""
    boxes, scores = some_boxes(1, BOXES), torch.rand(1, BOXES, 1)
    labels = torch.zeros(BOXES, dtype=torch.int64)
    return (
        seconds(lambda: select(boxes, scores, least=0.0, overlap=0.5, most=100), 5),
        seconds(lambda: batched_nms(boxes[0], scores[0, :, 0], labels, 0.5), 5),
    )


def seconds(call: Callable[[], object], rounds: int) -> float:
    """Return the median time of a call."""
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        found.append(time.perf_counter() - begin)
    return statistics.median(found)
