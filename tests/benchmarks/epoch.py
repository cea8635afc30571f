"""Cost of one epoch: the runner, a plain loop over tensors in memory, and the usual per-sample loop."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, Dataset

from runner.models.cnn import CNN
from tests.benchmarks.mnist import root, training_images
from tests.benchmarks.training import train

ROUNDS, BATCH, VALIDATION = 5, 64, 6_000
MEAN, STD = 0.1307, 0.3081


def normalise(images: Tensor) -> Tensor:
    """uint8 (n, 1, 28, 28) to float32."""
    return (images.float() / 255 - MEAN) / STD


class PerSample(Dataset):  # type: ignore[type-arg]
    """The usual dataset: an image at a time through PIL, ToTensor and Normalize, as torchvision's MNIST does."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        from torchvision import transforms

        self.images, self.labels = images.squeeze(1), labels
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.images[index].numpy())), int(self.labels[index])


def train_and_validate(network: nn.Module, batches: Callable[[], object], images: Tensor, labels: Tensor) -> float:
    """Seconds of a plain epoch: forward, backward and step for each batch, then validation in larger batches."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    started = time.perf_counter()
    network.train()
    for inputs, targets in batches():  # type: ignore[attr-defined]
        optimizer.zero_grad()
        F.cross_entropy(network(inputs), targets).backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        for start in range(0, len(images), BATCH):
            network(normalise(images[start : start + BATCH])).argmax(1).eq(labels[start : start + BATCH]).sum()
    return time.perf_counter() - started


def plain(images: Tensor, labels: Tensor, network: nn.Module) -> float:
    """A plain loop over tensors already in memory."""
    seen, held = images[:-VALIDATION], images[-VALIDATION:]

    def batches() -> object:
        for chunk in torch.randperm(len(seen)).split(BATCH):
            yield normalise(seen[chunk]), labels[chunk]

    return train_and_validate(network, batches, held, labels[-VALIDATION:])


def per_sample(images: Tensor, labels: Tensor) -> float:
    """The usual loop over a per-sample dataset."""
    dataset = PerSample(images[:-VALIDATION], labels[:-VALIDATION])
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True)
    return train_and_validate(network(), lambda: loader, images[-VALIDATION:], labels[-VALIDATION:])


def network() -> nn.Module:
    """The small CNN as anybody would build it."""
    return CNN(in_channels=1, image_size=28, num_outputs=10)


def channels_last() -> nn.Module:
    """The same in the memory layout that the runner gives it."""
    return network().to(memory_format=torch.channels_last)


def through_runner(place: str) -> float:
    """`python -m runner model=cnn data=mnist`: all of its second epoch, logging and checkpoints included."""
    times = train(["model=cnn", "data=mnist", f"data.root={place}", "trainer=cpu", "trainer.max_epochs=2"])
    return times[-1] - times[-2]


def main() -> None:
    """Prints medians and the ratios of each round."""
    place = root()
    if place is None:
        print("epoch: needs the MNIST files (RUNNER_DATA=directory that holds MNIST/raw); skipped.")
        return
    torch.set_num_threads(2)
    images, labels = training_images()
    sides = {
        "runner": lambda: through_runner(place),
        "plain loop": lambda: plain(images, labels, network()),
        "plain loop, channels last": lambda: plain(images, labels, channels_last()),
        "per-sample loop": lambda: per_sample(images, labels),
    }
    for side in sides.values():  # the first call of each pays for imports and memory
        side()
    rounds = [{name: side() for name, side in sides.items()} for _ in range(ROUNDS)]
    print(f"One epoch, model=cnn data=mnist, batch {BATCH}, 2 threads, median of {ROUNDS} rounds:")
    for name in sides:
        print(f"  {name:25} {statistics.median(each[name] for each in rounds):6.2f} s")
    for name in list(sides)[1:]:
        ratios = sorted(each["runner"] / each[name] for each in rounds)
        print(f"  runner / {name}: {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")
