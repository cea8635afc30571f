"""Graph networks: exact results by hand, equality with PyG, and what no graph may break."""

import pytest
import torch
from torch_geometric.nn import GCNConv, MessagePassing

from runner.models.graph import embedded, family, pooling, readout
from runner.models.graph.convolution import GraphConvolution, NeighbourSum
from runner.models.graph.stack import sparse_dropout

NODE_NETS = {
    "message_passing": family.MessagePassingNet,
    "gcn": family.gcn,
    "chebnet": family.chebnet,
    "graphsage": family.graphsage,
    "gat": family.gat,
    "mpnn": embedded.mpnn,
    "ggnn": embedded.ggnn,
    "jumping_knowledge": embedded.jumping_knowledge,
    "deep_gcn": embedded.deep_gcn,
}
GRAPH_NETS = {
    "sum": readout.readout_sum,
    "mean": readout.readout_mean,
    "set2set": readout.readout_set2set,
    "sagpool": pooling.SAGPool,
    "diffpool": pooling.DiffPool,
}
TOY = torch.tensor([[0, 1, 0, 1, 3, 2], [1, 0, 2, 2, 2, 3]])


def ring(nodes, first=0):
    places = torch.arange(nodes)
    return torch.stack([torch.cat([places, places.roll(1)]), torch.cat([places.roll(1), places])]) + first


@pytest.fixture(params=NODE_NETS, ids=str)
def node_net(request):
    torch.manual_seed(0)
    return NODE_NETS[request.param](5, 3).eval()


@pytest.fixture(params=GRAPH_NETS, ids=str)
def graph_net(request):
    torch.manual_seed(0)
    return GRAPH_NETS[request.param](4, 3).eval()


def test_message_passing_by_hand():
    x = torch.tensor([[1.0, 10], [2, 20], [3, 30], [4, 40]])
    # 0: 1+2; 1: 2+1; 2: (3+1) + (3+2) + (3+4); 3: 4+3
    assert NeighbourSum()(x, TOY).tolist() == [[3, 30], [3, 30], [16, 160], [7, 70]]


def test_message_passing_over_the_textbooks_graph_equals_pygs():
    class Sum(MessagePassing):
        def forward(self, x, edge_index):
            return self.propagate(edge_index, x=x)

        def message(self, x_i, x_j):
            return x_i + x_j

    x = torch.tensor([[1.0, 2], [2, 3], [8, 3], [2, 4]])
    edges = torch.tensor([[0, 0, 1, 2, 2, 3], [0, 1, 2, 1, 3, 2]])
    wanted = [[2, 4], [13, 11], [20, 13], [10, 7]]
    assert NeighbourSum()(x, edges).tolist() == wanted
    assert Sum(aggr="sum")(x, edges).tolist() == wanted


def test_message_passing_with_weights_and_without_edges():
    x, weight = torch.tensor([[1.0], [2], [3], [4]]), torch.tensor([1.0, 2, 1, 0, 3, 0.5])
    assert NeighbourSum()(x, TOY, weight).flatten().tolist() == [6, 3, 25, 3.5]
    assert NeighbourSum()(x, TOY[:, :0]).flatten().tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loops", ["none", "once", "twice"])
def test_graph_convolution_equals_pygs(weighted, loops):
    torch.manual_seed(0)
    edges = torch.randint(12, (2, 30))
    edges = edges[:, edges[0] != edges[1]]
    added = {"none": [], "once": [3, 7], "twice": [3, 7, 3]}[loops]
    edges = torch.cat([edges, torch.tensor([added, added], dtype=torch.int64)], 1)
    weight = torch.rand(edges.shape[1]) if weighted else None
    own, theirs = GraphConvolution(6, 4), GCNConv(6, 4)
    theirs.lin.weight.data.copy_(own.linear.weight)
    theirs.bias.data.normal_()
    own.bias.data.copy_(theirs.bias)
    x = torch.randn(12, 6)
    assert torch.allclose(own(x, edges, weight), theirs(x, edges, weight), atol=1e-6)


def test_graph_convolution_takes_an_estimate_of_the_matrix():
    torch.manual_seed(0)
    layer, x = GraphConvolution(3, 2), torch.randn(3, 3)
    edges, entries = torch.tensor([[0, 1, 2], [0, 0, 2]]), torch.tensor([0.5, 2.0, 1.0])
    h = layer.linear(x)
    wanted = torch.stack([0.5 * h[0] + 2 * h[1], torch.zeros(2), h[2]]) + layer.bias
    assert torch.allclose(layer(x, edges, propagation=entries), wanted)


def test_each_layer_gets_its_own_estimate():
    torch.manual_seed(0)
    net, x, edges = family.gcn(3, 2, dropout=0.0), torch.randn(2, 3), torch.tensor([[0, 1], [1, 0]])
    both = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    by_hand = net.layers[1](net.layers[0](x, edges, propagation=both[0]).relu(), edges, propagation=both[1])
    assert torch.equal(net(x, edges, propagation=both), by_hand)


def test_published_sizes():
    def count(net):
        return sum(each.numel() for each in net.parameters())

    assert count(family.gcn(1433, 7)) == 1433 * 16 + 16 + 16 * 7 + 7 == 23_063
    assert count(family.gat(1433, 7)) == 1433 * 64 + 3 * 64 + 64 * 7 + 3 * 7 == 92_373


def test_numbering_the_nodes_otherwise_changes_nothing(node_net):
    x, order = torch.randn(6, 5), torch.tensor([3, 0, 5, 1, 4, 2])
    edges = torch.cat([ring(5), torch.tensor([[5, 0], [0, 5]])], 1)
    outputs = node_net(x, edges)
    assert outputs.shape == (6, 3)
    assert torch.allclose(node_net(x[order], order.argsort()[edges]), outputs[order], atol=1e-5)


def test_an_isolated_node_has_an_answer_and_disturbs_nobody(node_net):
    x = torch.randn(5, 5)
    outputs = node_net(x, ring(4))
    assert torch.isfinite(outputs).all()
    assert torch.allclose(outputs[:4], node_net(x[:4], ring(4)), atol=1e-5)


def test_a_graph_without_edges_has_an_answer(node_net):
    assert torch.isfinite(node_net(torch.randn(3, 5), torch.empty(2, 0, dtype=torch.int64))).all()


def test_every_parameter_of_a_node_net_learns(node_net):
    node_net.train()
    x, edges = torch.randn(6, 5), torch.cat([ring(5), torch.tensor([[5, 0], [0, 5]])], 1)
    node_net(x, edges).square().sum().backward()
    assert [name for name, each in node_net.named_parameters() if each.grad is None] == []


def test_graphs_side_by_side_get_the_answers_they_get_alone(graph_net):
    x = torch.randn(9, 4)
    together = graph_net(x, torch.cat([ring(4), ring(5, 4)], 1), torch.tensor([0] * 4 + [1] * 5), 2)
    assert together.shape == (2, 3)
    assert torch.allclose(together[0], graph_net(x[:4], ring(4))[0], atol=1e-5)
    assert torch.allclose(together[1], graph_net(x[4:], ring(5))[0], atol=1e-5)


def test_an_empty_graph_in_a_batch_reads_as_zeros_and_disturbs_nobody(graph_net):
    x = torch.randn(4, 4)
    outputs = graph_net(x, ring(4), torch.tensor([0, 0, 0, 0]), 3)
    assert outputs.shape == (3, 3) and torch.isfinite(outputs).all()
    assert torch.allclose(outputs[0], graph_net(x, ring(4))[0], atol=1e-5)
    assert torch.allclose(outputs[1], outputs[2], atol=1e-6)


def test_every_parameter_of_a_graph_net_learns(graph_net):
    graph_net.train()
    torch.manual_seed(0)
    x, batch = torch.randn(9, 4), torch.tensor([0] * 4 + [1] * 5)
    graph_net(x, torch.cat([ring(4), ring(5, 4)], 1), batch, 2).square().sum().backward()
    silent = [name for name, each in graph_net.named_parameters() if each.grad is None]
    assert silent == []


def test_sum_counts_and_mean_does_not():
    torch.manual_seed(0)
    x, batch = torch.ones(10, 4), torch.tensor([0] * 3 + [1] * 7)
    edges = torch.cat([ring(3), ring(7, 3)], 1)
    mean = GRAPH_NETS["mean"](4, 3).eval()(x, edges, batch, 2)
    total = GRAPH_NETS["sum"](4, 3).eval()(x, edges, batch, 2)
    assert torch.allclose(mean[0], mean[1], atol=1e-6) and not torch.allclose(total[0], total[1], atol=1e-2)


def test_diffpool_adds_to_the_loss_in_training_only():
    net = pooling.DiffPool(4, 3)
    net.train()(torch.randn(5, 4), ring(5))
    assert float(net.penalty) > 0
    net.eval()(torch.randn(5, 4), ring(5))
    assert float(net.penalty) == 0


def test_dropout_of_sparse_features_drops_its_share_and_scales_the_rest():
    torch.manual_seed(0)
    x = torch.zeros(200, 100)
    x[:, ::20] = 2.0
    dropped = sparse_dropout(x, 0.25, training=True)
    assert dropped.unique().tolist() == pytest.approx([0, 2 / 0.75])
    assert float((dropped > 0).sum()) == pytest.approx(0.75 * 1000, abs=60)
    assert torch.equal(sparse_dropout(x, 0.25, training=False), x)


def test_a_network_without_layers_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        family.gcn(3, 2, num_layers=0)
