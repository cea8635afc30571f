"""Time to 99.0 % on MNIST's test images: experiment=mnist_resnet_fast against the usual script."""

import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader

from runner.config.compose import compose
from runner.models.resnet import ResidualNet
from runner.run.run import run
from runner.tracking import run_directory
from tests.benchmarks.epoch import PerSample, normalise
from tests.benchmarks.mnist import root, training_images

GOAL, MOST_EPOCHS = 0.99, 12


def fast(place: str) -> tuple[float, float]:
    """Seconds of the whole run (data, training, validation, test, record) and its test accuracy."""
    overrides = ["experiment=mnist_resnet_fast", f"data.root={place}", "trainer=cpu"]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        composed = compose(overrides)
        place = Path(folder) / "run"
        with run_directory.created(place, composed.config, overrides, composed.chosen, exactly=False) as record:
            result = run(composed.config, record)
        return time.perf_counter() - started, result.metrics["test/accuracy"]


def usual(place: str) -> tuple[float, float]:
    """Seconds until the usual teaching script passes the goal on the test images, evaluated after each epoch."""
    from runner.data.images.idx import read_idx

    images, labels = training_images()
    raw = Path(place) / "MNIST" / "raw"
    test = normalise(read_idx(raw / "t10k-images-idx3-ubyte", dimensions=3).unsqueeze(1))
    answers = read_idx(raw / "t10k-labels-idx1-ubyte", dimensions=1).long()
    torch.manual_seed(1)
    network = ResidualNet(in_channels=1, image_size=28, num_outputs=10)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.5)
    loader = DataLoader(PerSample(images, labels), batch_size=64, shuffle=True)
    started, accuracy = time.perf_counter(), 0.0
    for _ in range(MOST_EPOCHS):
        for inputs, targets in loader:
            optimizer.zero_grad()
            F.cross_entropy(network(inputs), targets).backward()
            optimizer.step()
        with torch.no_grad():
            right = sum(int((network(part).argmax(1) == answer).sum()) for part, answer in pairs(test, answers))
        accuracy = right / len(answers)
        if accuracy >= GOAL:
            break
    return time.perf_counter() - started, accuracy


def pairs(inputs: torch.Tensor, targets: torch.Tensor) -> zip:  # type: ignore[type-arg]
    """Batches of a thousand."""
    return zip(inputs.split(1000), targets.split(1000), strict=True)


def main() -> None:
    """Prints both sides and their ratio."""
    place = root()
    if place is None:
        print("time_to_accuracy: needs the MNIST files (RUNNER_DATA=directory that holds MNIST/raw); skipped.")
        return
    torch.set_num_threads(2)
    fast_seconds, fast_accuracy = fast(place)
    usual_seconds, usual_accuracy = usual(place)
    print(f"MNIST, residual net, until {GOAL:.1%} of the test images, 2 threads:")
    print(f"  experiment=mnist_resnet_fast  {fast_seconds:6.1f} s to {fast_accuracy:.2%} (whole run)")
    print(f"  the usual teaching script     {usual_seconds:6.1f} s to {usual_accuracy:.2%} (training and test alone)")
    print(f"  the script takes {usual_seconds / fast_seconds:.1f} times as long")
