"""What one full-batch epoch of a GCN on Cora costs: the runner, and a plain loop over PyG's own layers."""

import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
from pytorch_lightning.callbacks import Callback
from torch import nn
from torch.nn import functional as F  # noqa: N812

from runner.config.compose import compose
from runner.data.graph.cora import Cora
from runner.run import prepare, surroundings
from runner.tracking import run_directory

ROUNDS, EPOCHS = 5, 20
PLACES = (os.environ.get("RUNNER_DATA", "data"), str(Path(__file__).resolve().parents[3] / "shared" / "data"))


class Starts(Callback):
    """When each epoch began, and when the last one ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_epoch_start(self, *args: object) -> None:
        self.times.append(time.perf_counter())

    def on_train_end(self, *args: object) -> None:
        self.times.append(time.perf_counter())


def root() -> str | None:
    """The directory below which Cora/raw lies, or None."""
    return next((place for place in PLACES if (Path(place) / "Cora" / "raw").is_dir()), None)


class PlainGCN(nn.Module):
    """PyG's layers as in its example."""

    def __init__(self) -> None:
        from torch_geometric.nn import GCNConv

        super().__init__()
        self.first, self.second = GCNConv(1433, 16), GCNConv(16, 7)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        hidden = self.first(F.dropout(x, training=self.training), edge_index).relu()
        return self.second(F.dropout(hidden, training=self.training), edge_index)


def plain(data: Cora) -> float:
    """Seconds of an epoch of a plain loop: a step, then all three splits evaluated from one forward pass."""
    graph, network = data.graph, PlainGCN()
    splits = {name: samples.indices for name, samples in data.splits.items()}
    targets = data.splits["train"].row_targets
    optimizer = torch.optim.Adam(
        [{"params": network.first.parameters(), "weight_decay": 5e-4}, {"params": network.second.parameters()}], lr=0.01
    )
    started = time.perf_counter()
    for _ in range(EPOCHS):
        network.train()
        optimizer.zero_grad()
        F.cross_entropy(network(graph.x, graph.edge_index)[splits["train"]], targets[splits["train"]]).backward()
        optimizer.step()
        network.eval()
        with torch.no_grad():
            predicted = network(graph.x, graph.edge_index).argmax(1)
        for nodes in splits.values():
            float((predicted[nodes] == targets[nodes]).float().mean())
    return (time.perf_counter() - started) / EPOCHS


def through_runner(place: str) -> float:
    """`python -m runner experiment=cora_gcn`: an epoch with its validation, logging and checkpoints."""
    watch = Starts()
    overrides = ["experiment=cora_gcn", f"data.root={place}", "trainer=cpu", f"trainer.max_epochs={EPOCHS + 1}"]
    with tempfile.TemporaryDirectory() as folder:
        composed = compose(overrides)
        record = run_directory.create(Path(folder) / "run", composed.config, overrides, composed.chosen, exactly=False)
        with surroundings(composed.config, record) as signals:
            job = prepare(composed.config, record, signals, resume=False, fitted=False)
            trainer = job.trainer()
            trainer.callbacks.append(watch)  # type: ignore[attr-defined]
            trainer.fit(job.task, datamodule=job.datamodule)
    return (watch.times[-1] - watch.times[1]) / EPOCHS


def main() -> None:
    """Prints medians and the ratios of each round."""
    place = root()
    if place is None:
        print("graph_epoch: needs Cora's files (RUNNER_DATA=directory that holds Cora/raw); skipped.")
        return
    torch.set_num_threads(2)
    data = Cora(root=place, num_classes=7)
    data.setup()
    sides = {"runner": lambda: through_runner(place), "plain PyG loop": lambda: plain(data)}
    for side in sides.values():  # the first call of each pays for imports and memory
        side()
    rounds = [{name: side() for name, side in sides.items()} for _ in range(ROUNDS)]
    print(f"One full-batch epoch, experiment=cora_gcn, 2 threads, median of {ROUNDS} rounds of {EPOCHS} epochs:")
    for name in sides:
        print(f"  {name:25} {1000 * statistics.median(each[name] for each in rounds):6.1f} ms")
    ratios = sorted(each["runner"] / each["plain PyG loop"] for each in rounds)
    print(f"  runner / plain PyG loop: {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")
