"""Multiply-accumulates and shares of zeros: exact values, by hand."""

import pytest
import torch
from torch import Tensor, nn

from runner.measure.formulas import multiply_accumulates, multiply_accumulates_by_layer
from runner.measure.parameter_counts import nonzero_share, parameters


def test_a_convolution_costs_its_kernel_at_every_position_and_a_linear_layer_its_weights():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    found = multiply_accumulates_by_layer(network, torch.zeros(2, 3, 8, 8))
    assert found == {"": 8 * 8 * 4 * 27 + 2560, "0": 8 * 8 * 4 * 27, "3": 2560}


@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        (nn.Conv2d(4, 8, 3, groups=4), (4, 5, 5), 9 * 8 * 9),
        (nn.Conv2d(4, 4, 3, stride=2, groups=4), (4, 7, 7), 9 * 4 * 9),
        (nn.ConvTranspose2d(8, 2, 2, stride=2), (8, 3, 3), 9 * 8 * 2 * 4),
        (nn.Conv1d(2, 3, 5), (2, 9), 5 * 3 * 2 * 5),
        (nn.Linear(5, 7, bias=False), (6, 5), 6 * 35),
        (nn.BatchNorm2d(3), (3, 4, 4), 0),
    ],
)
def test_one_layer(layer, shape, expected):
    assert multiply_accumulates(layer, torch.zeros(3, *shape)) == expected


class LastStep(nn.Module):
    def __init__(self, cells: nn.RNNBase) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, steps: Tensor) -> Tensor:
        return self.cells(steps)[0][:, -1]


@pytest.mark.parametrize("cell, gates", [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_cells_cost_both_their_matrices_at_every_step(cell, gates):
    network = LastStep(cell(5, 6, batch_first=True))
    assert multiply_accumulates(network, torch.zeros(3, 7, 5)) == 7 * gates * 6 * (5 + 6)


def test_attention_costs_its_four_layers_and_two_products():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    attention, perceptron = 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8, 2 * 5 * 8 * 16
    assert multiply_accumulates(layer, torch.zeros(2, 5, 8)) == attention + perceptron


def test_counting_leaves_modes_and_statistics_alone():
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3).eval())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    multiply_accumulates(network, torch.randn(4, 3))
    assert [module.training for module in network.modules()] == [True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_shares_of_what_is_not_zero_count_matrices_only():
    network = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        network[0].weight[0] = 0
        network[0].bias.zero_()
    assert nonzero_share(network) == 0.5
    assert parameters(network) == 8 + 2 + 4
