"""Cost of one epoch of names: the runner, and a plain loop over the same network with the same bucketing."""

import os
import statistics
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.rnn import pack_padded_sequence

from runner.config.compose import compose
from runner.job.assemble import build_data
from tests.benchmarks.training import root, train

ROUNDS, BATCH, POOL = 3, 256, 16


def overrides() -> list[str]:
    """The real names where they are found, the stand-in elsewhere."""
    found = root("names")
    return ["data=names", f"data.root={found}"] if found else ["data=fake_names", f"data.batch_size={BATCH}"]


class Plain(nn.Module):
    """Embedding, packed bidirectional GRU, linear: as anybody would write it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(128, 100)
        self.gru = nn.GRU(100, 100, 2, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(200, classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        _, states = self.gru(packed)
        return self.linear(torch.cat([states[-2], states[-1]], 1))


def bucketed(lengths: Tensor) -> list[Tensor]:
    """Rows, batch by batch: pools of a random order sorted by length, their batches shuffled."""
    pools = torch.randperm(len(lengths)).split(BATCH * POOL)
    batches = [part for pool in pools for part in pool[lengths[pool].argsort()].split(BATCH)]
    return [batches[index] for index in torch.randperm(len(batches))]


def batch(rows: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens cut where the longest ends, and lengths."""
    chosen = rows[part]
    lengths = (chosen != 0).sum(1)
    return chosen[:, : int(lengths.max())].long(), lengths


def plain() -> float:
    """Seconds of one epoch of the plain loop, validation included."""
    data = build_data(compose(overrides()).config)
    train_split, val = data.splits["train"], data.splits["val"]
    inputs, targets, held, answers = train_split.inputs, train_split.targets, val.inputs, val.targets
    network = Plain(len(data.class_names or ()))
    optimizer = torch.optim.Adam(network.parameters())
    order = (held != 0).sum(1).argsort()
    started = time.perf_counter()
    for part in bucketed((inputs != 0).sum(1)):
        optimizer.zero_grad()
        F.cross_entropy(network(*batch(inputs, part)), targets[part]).backward()
        optimizer.step()
    with torch.no_grad():
        for part in order.split(BATCH):
            network(*batch(held, part)).argmax(1).eq(answers[part]).sum()
    return time.perf_counter() - started


def through_runner() -> float:
    """`python -m runner model=gru data=names`: all of its second epoch, logging and checkpoints included."""
    times = train([*overrides(), "model=gru", "trainer=cpu", "trainer.max_epochs=2"])
    return times[-1] - times[-2]


def main() -> None:
    """Prints medians and the ratio of each round."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    sides = {"runner": through_runner, "plain loop": plain}
    for side in sides.values():
        side()
    rounds = [{name: side() for name, side in sides.items()} for _ in range(ROUNDS)]
    print(f"One epoch, model=gru {overrides()[0]}, batch {BATCH}, {torch.get_num_threads()} threads, {ROUNDS} rounds:")
    for name in sides:
        print(f"  {name:25} {statistics.median(each[name] for each in rounds):6.2f} s")
    ratios = sorted(each["runner"] / each["plain loop"] for each in rounds)
    print(f"  runner / plain loop: {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")
