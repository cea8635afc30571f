"""Cost of one full-batch epoch of a GCN on Cora: the runner, and a plain loop over PyG's own layers."""

import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from runner.data.graph.cora import Cora
from tests.benchmarks.training import root, train

ROUNDS, EPOCHS = 5, 20


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
    times = train(["experiment=cora_gcn", f"data.root={place}", "trainer=cpu", f"trainer.max_epochs={EPOCHS + 1}"])
    return (times[-1] - times[1]) / EPOCHS


def main() -> None:
    """Prints medians and the ratios of each round."""
    place = root("Cora/raw")
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
