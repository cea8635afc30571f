"""The share of int8 work counts everything that multiplies: exact figures by hand, and nothing left out."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.graph.operators import Operator, operators
from runner.compression.quantization.recipes import DynamicRecipe, StaticRecipe


class Recurrent(nn.Module):
    def __init__(self, cells: nn.RNNBase, width: int) -> None:
        super().__init__()
        self.rnn, self.head = cells, nn.Linear(width, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.rnn(inputs)[0][:, -1])


def counted(network: nn.Module, inputs: Tensor) -> list[tuple[str, str, int | None]]:
    return [(it.layer, it.kind, it.macs) for it in operators(capture(network, inputs))]


def test_the_linear_layer_behind_an_lstm_is_a_small_part_of_the_work():
    network = Recurrent(nn.LSTM(28, 24, batch_first=True), 24).eval()
    inputs = torch.randn(4, 8, 28)
    recurrent = 8 * 4 * 24 * (28 + 24)
    assert counted(network, inputs) == [("rnn", "recurrent", recurrent), ("head", "linear", 240)]
    for recipe in (StaticRecipe(), DynamicRecipe()):
        quantized = recipe.apply(network, [inputs])
        assert quantized.reach.macs_share == pytest.approx(240 / (240 + recurrent))
        metrics, line = quantized.proof()
        assert line.startswith("int8: 1 of 1 operators, 0.6% of the multiply-accumulates")
        assert metrics["int8_share_of_macs"] == quantized.reach.macs_share


@pytest.mark.parametrize(
    ("cells", "width", "expected"),
    [
        (nn.GRU(28, 24, batch_first=True, bidirectional=True), 48, 8 * 2 * 3 * 24 * (28 + 24)),
        (nn.RNN(28, 24, batch_first=True, num_layers=2), 24, 8 * 24 * (28 + 24 + 24 + 24)),
        (nn.LSTM(28, 24, batch_first=True, proj_size=7), 7, 8 * (4 * 24 * (28 + 7) + 7 * 24)),
    ],
    ids=["GRU both ways", "RNN of two layers", "LSTM projected"],
)
def test_recurrent_layers_of_every_kind_are_counted(cells, width, expected):
    found = counted(Recurrent(cells, width), torch.randn(4, 8, 28))
    assert found == [("rnn", "recurrent", expected), ("head", "linear", 10 * width)]


@torch.library.custom_op("runner_tests::product", mutates_args=())
def product(left: Tensor, right: Tensor) -> Tensor:
    return left @ right


@product.register_fake
def _(left: Tensor, right: Tensor) -> Tensor:
    return left.new_empty(left.shape[0], right.shape[1])


@torch.library.custom_op("runner_tests::elsewhere", mutates_args=())
def elsewhere(left: Tensor) -> Tensor:
    return torch.from_numpy(np.tanh(left.detach().numpy()))


@elsewhere.register_fake
def _(left: Tensor) -> Tensor:
    return torch.empty_like(left)


class Everything(nn.Module):
    """Inputs (N, 5, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 6))
        self.pairs = nn.Bilinear(6, 6, 3)
        self.cell = nn.GRUCell(6, 4)
        self.head = nn.Linear(3 + 4, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        mixed = torch.einsum("nlf,fg->nlg", inputs, self.weight)
        attended = nn.functional.scaled_dot_product_attention(mixed, mixed, mixed)
        summed = torch.baddbmm(attended, attended, attended.transpose(1, 2) @ attended)
        first = product(summed[:, 0], self.weight.t() @ self.weight)
        both = torch.cat([self.pairs(first, first), self.cell(first)], dim=1)
        return self.head(both)


def test_every_way_to_multiply_is_counted():
    found = [(kind, macs) for _, kind, macs in counted(Everything(), torch.randn(4, 5, 8))]
    assert sorted(found) == sorted(
        [
            ("einsum", 5 * 8 * 6),
            ("attention", 2 * 5 * 5 * 6),
            ("matmul", 6 * 5 * 6),
            ("baddbmm", 5 * 6 * 6),
            ("matmul", 6 * 8 * 6 // 2),  # once for a batch of two, as the example is traced
            ("runner_tests.product", 6 * 6),
            ("bilinear", 3 * 6 * 6),
            ("recurrent", 3 * 4 * (6 + 4)),
            ("linear", 14),
        ]
    )


class Foreign(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(elsewhere(inputs))


def test_a_kernel_that_nobody_knows_is_named_and_makes_the_share_a_bound():
    inputs = torch.randn(4, 8)
    quantized = StaticRecipe().apply(Foreign(), [inputs])
    assert Operator("", "runner_tests.elsewhere", None, "elsewhere") in operators(quantized.program)
    assert quantized.reach.unknown == ("runner_tests.elsewhere",)
    assert (
        "at most 100.0% of the multiply-accumulates (runner_tests.elsewhere: unknown, in float)"
        in (quantized.proof()[1])
    )


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Linear(8, 2), nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cond(inputs.sum() > 0, self.narrow, self.wide, (inputs,))


def test_of_two_ways_the_longer_is_counted():
    assert counted(Branches(), torch.randn(4, 8)) == [("", "cond", 8 * 8 + 8 * 2)]
