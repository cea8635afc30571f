"""The search for layers in a row finds what torchao's finds, in its order, and looks at no product of all of them."""

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.graph_utils import find_sequential_partitions

from runner.compression.quantization.backends.quantizers import sequential_partitions
from runner.compression.quantization.graph.capture import capture


class Residual(nn.Module):
    """Convolutions that are added to what they were given, twice, with activations of two kinds."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)
        self.norm, self.relu = nn.BatchNorm2d(3), nn.ReLU()
        self.head = nn.Sequential(nn.Linear(3, 3), nn.GELU(), nn.Linear(3, 2))

    def forward(self, inputs):
        inputs = self.relu(inputs + self.norm(self.first(inputs)))
        inputs = torch.relu(self.second(inputs) + inputs)
        return self.head(inputs.mean((2, 3)))


@pytest.mark.parametrize(
    ("types", "count"),
    [
        ([nn.Conv2d, torch.add], 1),
        ([nn.Conv2d, nn.BatchNorm2d, torch.add, nn.ReLU], 1),
        ([nn.Conv2d, nn.BatchNorm2d], 1),
        ([nn.Linear, nn.GELU], 1),
        ([nn.Conv2d, nn.Tanh], 0),
        ([nn.Conv2d], 2),
    ],
)
def test_finds_what_torchao_finds(types, count):
    graph = capture(Residual(), torch.randn(2, 3, 4, 4))
    found = [[each.nodes for each in row] for row in sequential_partitions(graph, types)]
    assert found == [[each.nodes for each in row] for row in find_sequential_partitions(graph, types)]
    assert len(found) == count


def test_a_type_twice_is_refused_as_torchao_refuses_it():
    with pytest.raises(ValueError, match="unique"):
        sequential_partitions(capture(Residual(), torch.randn(2, 3, 4, 4)), [nn.ReLU, nn.functional.relu])
