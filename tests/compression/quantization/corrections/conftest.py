"""An inverted residual network whose channels have unequal ranges, and inputs for it."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e
from torchvision.models.mobilenetv2 import Conv2dNormActivation, InvertedResidual

from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.backends.quantizers import build
from runner.compression.quantization.backends.selection import Selection
from runner.compression.quantization.corrections.equalize import equalize
from runner.compression.quantization.corrections.weights import give_biases
from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.program.calibrate import calibrate

DECADES = 2


def draw(samples: int, seed: int) -> Tensor:
    """Images (samples, 3, 16, 16) whose contrast and colour differ, so that the network's answers do."""
    generator = torch.Generator().manual_seed(seed)
    contrast = torch.rand(samples, 3, 1, 1, generator=generator)
    colour = torch.randn(samples, 3, 1, 1, generator=generator)
    return 2 * contrast * torch.randn(samples, 3, 16, 16, generator=generator) + colour


@pytest.fixture(scope="session")
def balanced() -> nn.Module:
    """Blocks as in MobileNetV2, with batch-norm statistics of the inputs below."""
    torch.manual_seed(0)
    network = nn.Sequential(
        Conv2dNormActivation(3, 8, stride=2, activation_layer=nn.ReLU6),
        InvertedResidual(8, 8, 1, 3),
        InvertedResidual(8, 12, 2, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 10),
    )
    with torch.no_grad():
        for _ in range(40):
            network(draw(32, 7))
    return network.eval()


@pytest.fixture(scope="session")
def unequal(balanced: nn.Module) -> nn.Module:
    """The same with channels inside the blocks scaled by 10^-2 to 1, and scaled back in the next convolution."""
    network, generator = copy.deepcopy(balanced), torch.Generator().manual_seed(1)
    for block in network[1:3]:
        layers = [each for each in block.modules() if isinstance(each, nn.Conv2d | nn.BatchNorm2d)]
        for norm, convolution in zip(layers[1:-1:2], layers[2::2], strict=True):
            scale = 10 ** (-DECADES * torch.rand(len(norm.weight), generator=generator))
            norm.weight.data *= scale
            norm.bias.data *= scale
            shape = (1, -1, 1, 1) if convolution.groups == 1 else (-1, 1, 1, 1)
            convolution.weight.data /= scale.reshape(shape)
    return network


@pytest.fixture(scope="session")
def _capture_of_unequal(unequal: nn.Module) -> GraphModule:
    return capture(unequal, draw(2, 0))


@pytest.fixture
def captured(_capture_of_unequal: GraphModule) -> GraphModule:
    """A capture of the unequal network to use up; capturing takes seconds, copying does not."""
    return copy.deepcopy(_capture_of_unequal)


@pytest.fixture(scope="session")
def calibrated(_capture_of_unequal: GraphModule, unequal: nn.Module, shown: list[Tensor]) -> GraphModule:
    """The unequal network, equalized and calibrated, and all layers with a bias; not to be changed."""
    graph = copy.deepcopy(_capture_of_unequal)
    equalize(graph)
    give_biases(graph)
    prepared = prepare_pt2e(graph, build("x86_inductor", "static", Numerics(), Selection().resolve(unequal, "static")))
    calibrate(prepared, shown, shown[0])
    return prepared


@pytest.fixture(scope="session")
def shown() -> list[Tensor]:
    """Calibration batches."""
    return [draw(32, 1), draw(32, 2)]


@pytest.fixture(scope="session")
def unseen() -> Tensor:
    """Inputs that no calibration saw."""
    return draw(64, 3)
