"""Graph tasks: what counts in the loss, what a sampler changes, and pictures of any graph."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from runner.data.graph.graph import Graph
from runner.data.graph.karate import Karate
from runner.errors import RunnerError
from runner.job.serving import proven_answers
from runner.tasks.figures import graphs
from runner.tasks.figures.plots import render
from runner.tasks.graphs import GraphClassification, NodeClassification

SGD = partial(torch.optim.SGD, lr=0.1)


class Features(nn.Module):
    """Logits are the features themselves."""

    def forward(self, x, edge_index, edge_weight=None):
        self.edges = edge_index
        return x


class Propagating(nn.Module):
    def forward(self, x, edge_index, edge_weight=None, propagation=None):
        return x * (0 if propagation is None else propagation.sum())


def node_task(network, **options):
    return NodeClassification(network, SGD, num_classes=2, **options)


def example(**asked):
    x = torch.tensor([[2.0, 0], [0, 1], [0, 3]])
    return Graph(x, torch.tensor([[0, 1, 1], [1, 0, 1]]), **asked)


def test_what_a_bound_network_answers_is_told_by_the_task_itself():
    assert proven_answers(node_task(Features()), torch.zeros(1, 3, 2)) is None


def test_only_the_nodes_asked_for_count():
    task, graph = node_task(Features()), example(seeds=torch.tensor([2, 0]))
    assert task(graph).tolist() == [[0, 3], [2, 0]]
    targets = torch.tensor([1, 0])
    assert float(task.training_loss(graph, task(graph), targets)) == pytest.approx(
        float(F.cross_entropy(graph.x[[2, 0]], targets))
    )


def test_each_node_counts_as_much_as_its_sampler_says():
    graph = example(seeds=torch.tensor([0, 1]), importance=torch.tensor([0.25, 2.0]))
    task, targets = node_task(Features()), torch.tensor([1, 1])
    each = F.cross_entropy(graph.x[:2], targets, reduction="none")
    assert float(task.training_loss(graph, task(graph), targets)) == pytest.approx(
        float(each @ torch.tensor([0.25, 2]))
    )


def test_a_batch_that_asks_for_no_node_has_loss_0_and_a_gradient():
    graph = example(seeds=torch.tensor([], dtype=torch.int64), importance=torch.tensor([]))
    linear = nn.Linear(2, 2)

    class Net(nn.Module):
        def forward(self, x, edge_index, edge_weight=None):
            return linear(x)

    task = node_task(Net())
    loss = task.training_loss(graph, task(graph), graph.seeds)
    loss.backward()
    assert float(loss) == 0 and linear.weight.grad.abs().sum() == 0


def test_estimates_go_to_networks_that_take_them_and_self_loops_to_no_others():
    graph, plain = example(seeds=torch.arange(3), propagation=torch.tensor([1.0, 2, 3])), Features()
    assert torch.equal(node_task(Propagating())(graph), 6 * graph.x)
    node_task(plain)(graph)
    assert plain.edges.tolist() == [[0, 1], [1, 0]]


def test_a_network_that_knows_its_graph_is_given_features_only():
    class Bound(nn.Module):
        def forward(self, features):
            return features + 1

    task, graph = node_task(Features()), example(seeds=torch.tensor([1]))
    assert task.call(Bound(), graph).tolist() == [[1, 2]]


def test_weight_decay_of_named_layers_only():
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    decaying = partial(torch.optim.Adam, lr=0.1, weight_decay=0.5)
    task = NodeClassification(network, decaying, num_classes=2, decay_only=["0"])
    first, rest = task.optimization.groups(network)
    assert first["weight_decay"] == 0.5 and [id(each) for each in first["params"]] == [
        id(network[0].weight),
        id(network[0].bias),
    ]
    assert rest["weight_decay"] == 0 and len(rest["params"]) == 2
    with pytest.raises(RunnerError, match=r"task\.decay_only: layers\.9 matches no parameter"):
        NodeClassification(network, decaying, num_classes=2, decay_only=["layers.9"]).optimization.groups(network)


def test_a_networks_penalty_joins_the_training_loss():
    class Penalised(nn.Module):
        penalty = torch.tensor(5.0)

        def forward(self, x, edge_index, batch=None, size=1):
            return torch.zeros(size, 2).index_add(0, batch, x)

    graph = Graph(torch.eye(2), torch.empty(2, 0, dtype=torch.int64), batch=torch.tensor([0, 1]), size=2)
    task, targets = GraphClassification(Penalised(), SGD, num_classes=2), torch.tensor([0, 1])
    plain = float(task.loss(task(graph), targets))
    assert float(task.training_loss(graph, task(graph), targets)) == pytest.approx(plain + 5)


def test_the_same_graph_is_drawn_the_same_way():
    data = Karate()
    data.setup()
    true = data.splits["train"].row_targets
    drawn = [
        render(graphs.labelled_graph(data.graph.edge_index, true, true, ("a", "b"), torch.tensor([0]), weight))
        for weight in (data.graph.edge_weight, data.graph.edge_weight, None)
    ]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any(), "weights are written on the edges"


def test_of_a_large_graph_a_neighbourhood_is_shown():
    hub = torch.stack([torch.zeros(2000, dtype=torch.int64), torch.arange(1, 2001)])
    graph = graphs.to_networkx(torch.cat([hub, hub.flip(0)], 1), 2001)
    shown = graphs.neighbourhood(graph, 5)
    assert {0, 5} <= set(shown) and len(shown) == 2 + graphs.NEIGHBOURS_DRAWN
    figure = graphs.labelled_graph(hub, torch.zeros(2001).long(), torch.zeros(2001).long(), ("a",), torch.tensor([0]))
    assert figure.axes[0].get_title().startswith("6 of 2,001 nodes around one; 100.0% of all nodes right")


def test_the_summary_counts_what_is_there():
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 2]])
    line = graphs.summary(edges, torch.tensor([0, 0, 1, 1])).replace("\n", ", ")
    assert line == (
        "4 nodes, 4 directed edges, degree 1.0 on average, 2 at most, 1 isolated, 1 self-loops, "
        "75% of edges within a class"
    )


def test_a_wrong_node_is_marked_with_its_true_class():
    edges, true, predicted = torch.tensor([[0, 1], [1, 0]]), torch.tensor([0, 1]), torch.tensor([0, 0])
    figure = graphs.labelled_graph(edges, true, predicted, ("cat", "dog"), torch.tensor([0]))
    words = [text.get_text() for text in figure.axes[0].texts]
    assert "true: dog" in words and "true: cat" not in words and {"0", "1"} <= set(words)


def test_graphs_with_isolated_nodes_and_without_nodes_are_drawn():
    batch = torch.tensor([0, 0, 0, 2])
    edges, classes = torch.tensor([[0, 1], [1, 0]]), torch.tensor([0, 1, 1])
    figure = graphs.graph_grid(edges, batch, classes, torch.tensor([0, 1, 0]), ("a", "b"))
    assert [axes.get_title() for axes in figure.axes][:3] == ["a", "b", "a\ntrue: b"]
    render(figure)
    render(graphs.adjacency(torch.empty(2, 0, dtype=torch.int64), torch.tensor([0, 1]), ("a", "b")))
    render(graphs.degrees(torch.empty(2, 0, dtype=torch.int64), 3))
