"""Sampling: what each strategy promises about fan-out, coverage and expectation."""

from types import SimpleNamespace

import pytest
import torch
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from runner.data.graph.graph import Graph, coalesce
from runner.data.graph.karate import Karate
from runner.data.graph.sampling import neighbor
from runner.data.graph.sampling.cluster import ClusterSampling, banded
from runner.data.graph.sampling.layer import LayerSampling
from runner.data.graph.sampling.neighbor import NeighborSampling
from runner.data.graph.sampling.saint import SaintEdges, SaintNodes, SaintWalks
from runner.errors import RunnerError

SAINTS = {"nodes": (SaintNodes, 12), "edges": (SaintEdges, 8), "walks": (SaintWalks, 5)}


@pytest.fixture(scope="module")
def graph():
    """34 nodes with their number as the only feature."""
    data = Karate(weighted=False)
    data.setup()
    return Graph(torch.arange(34.0)[:, None], data.graph.edge_index)


@pytest.fixture
def dense(graph):
    """Â float (34, 34): row v holds the weights of the sum into v."""
    edges, entries = gcn_norm(graph.edge_index, None, 34)
    matrix = torch.zeros(34, 34)
    matrix[edges[1], edges[0]] = entries
    return matrix


def edges_of(part):
    """Edges by the numbers of the whole graph."""
    return {tuple(edge) for edge in part.nodes[part.edge_index].T.tolist()}


def test_the_whole_graph_is_the_default(graph):
    data = Karate(weighted=False, batch_size=4)
    data.setup()
    (batch, targets), *more = list(data.train_dataloader())
    assert not more and batch.edge_index.shape == (2, 156)
    assert targets.tolist() == data.splits["train"].row_targets[batch.seeds].tolist()


@pytest.mark.parametrize("fanouts", [(3,), (2, 4), (-1, 1)])
def test_neighbours_keep_to_their_fan_out(graph, fanouts):
    torch.manual_seed(0)
    all_edges, seeds = edges_of(Graph(graph.x, graph.edge_index, nodes=torch.arange(34))), torch.tensor([0, 33, 5])
    rows = NeighborSampling(fanouts).plan(graph, seeds, 3).rows
    for _ in range(20):
        part = rows[seeds]
        assert part.nodes[:3].tolist() == seeds.tolist() and part.seeds.tolist() == [0, 1, 2]
        assert len(part.nodes.unique()) == len(part.nodes)
        assert edges_of(part) <= all_edges
        assert len(edges_of(part)) == part.edge_index.shape[1], "drawn without replacement"
        incoming = torch.bincount(part.edge_index[1], minlength=len(part.nodes))
        limit = fanouts[0] if fanouts[0] > 0 else 34
        degree = torch.bincount(graph.edge_index[1])[seeds]
        assert incoming[:3].tolist() == degree.clamp(max=limit).tolist()
        assert int(incoming[3:].max()) <= max(fanouts[1:], default=0)
        assert torch.equal(part.x.flatten().long(), part.nodes)


def test_every_neighbour_is_as_likely_as_the_others(graph):
    torch.manual_seed(0)
    rows = NeighborSampling([4]).plan(graph, torch.tensor([33]), 1).rows
    drawn = torch.cat([rows[torch.tensor([33])].nodes[1:] for _ in range(2000)])
    share = torch.bincount(drawn, minlength=34)[graph.edge_index[0][graph.edge_index[1] == 33]] / 2000
    assert torch.allclose(share, torch.full_like(share, 4 / 17), atol=0.04)


def test_all_training_nodes_are_asked_for_once_an_epoch():
    data = Karate(weighted=False, batch_size=3, sampling=NeighborSampling([2, 2]))
    data.setup()
    batches = list(data.train_dataloader())
    assert [len(targets) for _, targets in batches] == [3, 1], "a lone node is not left out"
    asked = torch.cat([graph.nodes[graph.seeds] for graph, _ in batches])
    assert sorted(asked.tolist()) == sorted(data.splits["train"].indices.tolist())
    targets = torch.cat([targets for _, targets in batches])
    assert targets.tolist() == data.splits["train"].row_targets[asked].tolist()


def test_where_pygs_compiled_sampler_is_installed_it_draws(graph, monkeypatch):
    monkeypatch.setattr(neighbor.installed, "WITH_PYG_LIB", True)

    class Compiled:
        def __init__(self, data, fanouts):
            assert fanouts == [2] and data.num_nodes == 34

        def sample_from_nodes(self, wanted):
            assert wanted.node.tolist() == [7]
            return SimpleNamespace(node=torch.tensor([7, 0]), row=torch.tensor([1]), col=torch.tensor([0]))

    monkeypatch.setattr("torch_geometric.sampler.NeighborSampler", Compiled)
    part = NeighborSampling([2]).plan(graph, torch.tensor([7]), 1).rows[torch.tensor([7])]
    assert edges_of(part) == {(0, 7)} and part.seeds.tolist() == [0]


def test_layers_estimate_the_sum_over_all_neighbours(graph, dense):
    torch.manual_seed(0)
    seeds = torch.tensor([0, 8, 33])
    rows = LayerSampling([40, 40]).plan(graph, seeds, 3).rows
    signal, total = torch.sin(torch.arange(34.0)), torch.zeros(3)
    draws = 600
    for _ in range(draws):
        part = rows[seeds]
        assert part.propagation.shape == (2, part.edge_index.shape[1])
        messages = signal[part.nodes][part.edge_index[0]] * part.propagation[1]
        total += torch.zeros(len(part.nodes)).index_add(0, part.edge_index[1], messages)[:3]
    assert torch.allclose(total / draws, (dense @ signal)[seeds], atol=0.03)


def test_layers_draw_as_many_nodes_as_asked(graph):
    torch.manual_seed(0)
    part = LayerSampling([5, 4]).plan(graph, torch.tensor([0]), 1).rows[torch.tensor([0])]
    last, first = part.propagation[1] != 0, part.propagation[0] != 0
    assert part.edge_index[1][last].unique().tolist() in ([0], [])
    assert len(part.edge_index[0][last].unique()) <= 4
    assert len(part.edge_index[0][first].unique()) <= 5


def test_clusters_cover_every_node_once_an_epoch(graph):
    data = Karate(weighted=False, sampling=ClusterSampling(6, 2))
    data.setup()
    batches = list(data.train_dataloader())
    assert len(batches) == 3
    assert sorted(torch.cat([part.nodes for part, _ in batches]).tolist()) == list(range(34))
    assert sorted(torch.cat([part.nodes[part.seeds] for part, _ in batches]).tolist()) == sorted(
        data.splits["train"].indices.tolist()
    )
    for part, targets in batches:
        inside = set(part.nodes.tolist())
        wanted = {edge for edge in map(tuple, graph.edge_index.T.tolist()) if inside.issuperset(edge)}
        assert edges_of(part) == wanted
        assert len(targets) == len(part.seeds)


def test_clusters_are_equal_in_size_and_keep_neighbours_together():
    ring = torch.arange(60)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    edges = order[torch.stack([torch.cat([ring, ring.roll(1)]), torch.cat([ring.roll(1), ring])])]
    cluster = banded(coalesce(edges, None, 60)[0], 60, 6)
    assert torch.bincount(cluster).tolist() == [10] * 6
    cut = int((cluster[edges[0]] != cluster[edges[1]]).sum())
    assert cut < 30, "random parts would cut 100 of the 120"


@pytest.mark.parametrize("name", SAINTS)
def test_saint_is_right_in_expectation(graph, dense, name):
    torch.manual_seed(0)
    strategy, budget = SAINTS[name]
    train = torch.tensor([0, 3, 8, 16, 25, 33])
    rows = strategy(coverage=1000).plan(graph, train, budget).rows
    loss, signal = torch.linspace(1, 3, 34), torch.cos(torch.arange(34.0))
    draws, mean_loss, total, there = 3000, 0.0, torch.zeros(34), torch.zeros(34)
    for _ in range(draws):
        part = rows[torch.tensor([0])]
        nodes = part.nodes
        assert torch.isin(nodes[part.seeds], train).all()
        mean_loss += float((loss[nodes[part.seeds]] * part.importance).sum()) / draws
        messages = signal[nodes][part.edge_index[0]] * part.propagation
        total[nodes] += torch.zeros(len(nodes)).index_add(0, part.edge_index[1], messages)
        there[nodes] += 1
    assert mean_loss == pytest.approx(float(loss[train].mean()), rel=0.03), "the loss of the whole graph"
    often = there > 300
    assert int(often.sum()) > 10
    assert torch.allclose((total / there)[often], (dense @ signal)[often], atol=0.08), "sums of nodes that are there"


def test_saint_draws_what_was_asked_for(graph):
    torch.manual_seed(0)
    for name, most in (("nodes", 12), ("edges", 16), ("walks", 15)):
        strategy, budget = SAINTS[name]
        plan = strategy(steps=3, coverage=1).plan(graph, torch.tensor([0]), budget)
        assert len(plan.items) == 3 and plan.items_a_batch == 1
        assert max(len(plan.rows[torch.tensor([0])].nodes) for _ in range(30)) <= most


def test_the_same_seed_draws_the_same(graph):
    rows = NeighborSampling([2, 2]).plan(graph, torch.tensor([0]), 1).rows
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(rows[torch.tensor([0])])
    assert torch.equal(drawn[0].nodes, drawn[1].nodes) and torch.equal(drawn[0].edge_index, drawn[1].edge_index)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NeighborSampling([]), "fanouts"),
        (lambda: NeighborSampling([0]), "fanouts"),
        (lambda: LayerSampling([4, 0]), "sizes"),
        (lambda: ClusterSampling(3, 4), "clusters_a_batch"),
    ],
)
def test_senseless_settings_are_refused(make, words):
    with pytest.raises(RunnerError, match=words):
        make()
