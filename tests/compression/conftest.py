"""Tiny networks and the programs made of them, shared by the tests of this folder."""

import pytest
import torch
from torch import Tensor, nn

from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import DynamicRecipe, StaticRecipe


class Convolutional(nn.Module):
    """Convolution and residual block (epsilon 1e-3, small variances), dropout, linear layer, lone batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8, eps=1e-3, momentum=0.03)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(128, 10)
        self.last = nn.BatchNorm1d(10, eps=1e-2)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.stem(inputs)
        hidden = torch.relu(hidden + self.norm(self.conv(hidden)))
        return self.last(self.fc(self.drop(hidden.flatten(1))))


def convolutional() -> Convolutional:
    """A Convolutional with variances far below its epsilon, as trained narrow networks have."""
    torch.manual_seed(0)
    network = Convolutional()
    network.norm.running_var.uniform_(1e-4, 3e-3)
    network.last.running_var.uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture(scope="session")
def images() -> Tensor:
    return torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def network() -> Convolutional:
    return convolutional()


@pytest.fixture
def fresh() -> Convolutional:
    return convolutional()


@pytest.fixture(scope="session")
def static(network: nn.Module, images: Tensor) -> QuantizedNetwork:
    return StaticRecipe().apply(network, [images])


@pytest.fixture(scope="session")
def lowered(static: QuantizedNetwork) -> QuantizedNetwork:
    return static.lower()


@pytest.fixture(scope="session")
def perceptron() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4)).eval()


@pytest.fixture(scope="session")
def rows() -> Tensor:
    return torch.randn(32, 12, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="session")
def dynamic(perceptron: nn.Module, rows: Tensor) -> QuantizedNetwork:
    return DynamicRecipe().apply(perceptron, [rows])
