"""Graph networks in int8: bound to their graph every linear layer is reached; what cannot be is refused early."""

from functools import partial

import pytest
import torch

from runner.cli.main import main
from runner.compression.files.program import load_program, save_program
from runner.compression.quantization.recipes import DynamicRecipe, StaticRecipe
from runner.config import catalog
from runner.models.graph import embedded, family
from runner.models.graph.bound import BoundNetwork

NETS = {
    "gcn": (family.gcn, 2),
    "graphsage": (family.graphsage, 4),
    "gat": (family.gat, 2),
    "mpnn": (embedded.mpnn, 6),
    "message_passing": (family.MessagePassingNet, 1),
    "chebnet": (family.chebnet, 4),
    "ggnn": (embedded.ggnn, 2),
    "jumping_knowledge": (embedded.jumping_knowledge, 6),
    "deep_gcn": (partial(embedded.deep_gcn, num_layers=1), 4),
}
RING = torch.tensor([[0, 1, 2, 3, 1, 2, 3, 0], [1, 2, 3, 0, 0, 1, 2, 3]])


def bound(name, edge_weight=None):
    torch.manual_seed(0)
    return BoundNetwork(NETS[name][0](8, 3).eval(), RING, edge_weight, 4).eval()


def test_a_bound_network_answers_for_every_copy_of_its_graph_alone():
    network, weight = bound("gcn", torch.rand(8)), None
    features = torch.randn(3, 4, 8)
    weight = network.edge_weight
    alone = torch.stack([network.network(each, RING, weight) for each in features])
    assert torch.allclose(network(features), alone, atol=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_every_linear_layer_is_reached(name):
    network, features = bound(name), torch.randn(1, 4, 8)
    quantized = DynamicRecipe().apply(network, [features])
    assert quantized.reach.reached == quantized.reach.expected == NETS[name][1]
    assert torch.allclose(quantized(features), network(features), atol=0.05)


def test_every_network_over_nodes_is_in_the_table():
    choices = catalog.choices([catalog.own_config_directory()])["model"]
    assert set(NETS) == {name for name, each in choices.items() if catalog.kinds(each.path) == ["graph"]}


def test_a_static_program_is_saved_and_loaded(tmp_path):
    network, features = bound("gcn", torch.rand(8)), torch.randn(1, 4, 8)
    quantized = StaticRecipe().apply(network, [features])
    assert quantized.reach.reached == 2
    loaded = load_program(save_program(quantized.program, features, tmp_path / "int8.pt2"))
    assert torch.equal(loaded.program(features), quantized(features))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data=generated_graphs", "quantization=ptq_static"], "networks over whole graphs stay in float"),
        (["data=karate", "quantization=qat", "data/sampling=neighbor"], "use data/sampling=full with it"),
    ],
)
def test_what_cannot_be_quantized_is_refused_before_training(overrides, words, capsys):
    assert main(["check", *overrides]) == 2
    assert words in capsys.readouterr().err
