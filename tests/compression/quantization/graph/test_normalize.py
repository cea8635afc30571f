"""What a capture is turned into: the same function, in operators that quantizers know."""

import pytest
import torch
from torch import Tensor, nn

from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.graph.operators import operators
from runner.compression.quantization.recipes import StaticRecipe
from runner.measure.error import sqnr


class Frozen(nn.Module):
    """A backbone that runs without gradients, its weights read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            hidden = self.second(self.first(inputs).relu()).relu()
        return self.head(hidden.mean(dim=(2, 3)))


class Generated(nn.Module):
    """A convolution whose weight another layer computes from the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.weights, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 64), nn.Linear(8, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs).relu()
        weight = self.weights(hidden.mean(dim=(0, 2, 3))).view(8, 8, 1, 1)
        return self.head(nn.functional.conv2d(hidden, weight).mean(dim=(2, 3)))


class Placed(nn.Module):
    """A layer over a table of positions, which is the same for every input but for its length."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.positions = nn.Linear(4, 8), nn.Linear(3, 8)
        self.register_buffer("table", torch.randn(1, 5, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.first(inputs) + self.positions(self.table.expand(len(inputs), -1, -1)).sigmoid()


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.Conv2d(4, 2, (2, 4), padding="same")), (3, 6, 6)),
        (nn.Sequential(nn.Conv2d(3, 4, 3, dilation=2, padding="same"), nn.Conv2d(4, 2, 3, padding="valid")), (3, 9, 9)),
        (nn.Sequential(nn.Conv1d(3, 4, 4, padding="same"), nn.Conv1d(4, 2, 3)), (3, 9)),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.Conv2d(4, 2, 1)), (3, 6, 6)),
        (Frozen(), (3, 8, 8)),
    ],
    ids=["same", "dilated", "1d", "reflect", "without gradients"],
)
def test_what_could_not_be_quantized_now_is_and_computes_the_same(network, shape):
    inputs = torch.randn(4, *shape)
    expected = network.eval()(inputs).detach()
    graph = capture(network, inputs)
    assert torch.allclose(graph(inputs), expected, atol=1e-5)
    quantized = StaticRecipe().apply(network, [inputs])
    assert quantized.reach.reached == len(operators(graph)) == sum(1 for _ in network.modules() if layer(_))
    assert quantized.reach.macs_share == 1
    assert sqnr(expected, quantized(inputs)) > 25


def layer(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear)


def test_frozen_transformers_keep_their_layers():
    network = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1).requires_grad_(False)
    kinds = [it.kind for it in operators(capture(network, torch.randn(4, 5, 8)))]
    assert sorted(kinds) == ["attention", *["linear"] * 4]


def test_a_weight_that_depends_on_the_inputs_stays_in_float():
    inputs = torch.randn(4, 3, 8, 8)
    quantized = StaticRecipe().apply(Generated(), [inputs])
    assert quantized.reach.layers == ("first", "weights", "head")
    assert 0 < quantized.reach.macs_share < 1


def test_what_is_computed_of_constants_stays_in_float():
    inputs = torch.randn(4, 5, 4)
    recipe = StaticRecipe()
    recipe.preflight(Placed(), inputs)  # Inductor computes it beforehand, so that an integer kernel would be missing
    assert recipe.apply(Placed(), [inputs]).reach.layers == ("first",)


def test_tied_layers_go_by_their_own_names():
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3))
    network[2].weight = network[0].weight
    assert [it.layer for it in operators(capture(network, torch.randn(4, 3, 8, 8)))] == ["0", "2"]
