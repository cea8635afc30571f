"""The teaching networks are the specification's: parameters, shapes, arithmetic, capture."""

import pytest
import torch
from torch import nn
from torch.export import Dim, export

from runner.models.cnn import CNN
from runner.models.googlenet import GoogLeNet, Inception
from runner.models.mlp import MLP, image_mlp
from runner.models.resnet import ResidualBlock, ResidualNet

IMAGE_NETS = [CNN, ResidualNet, GoogLeNet, image_mlp]
CONVOLUTIONAL = [CNN, ResidualNet, GoogLeNet]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("build", "count"), [(CNN, 8_490), (ResidualNet, 41_514), (GoogLeNet, 97_298), (image_mlp, 575_050)]
)
def test_image_nets_have_exactly_the_parameters_of_the_specification(build, count):
    assert parameters(build(1, 28, 10)) == count


def test_tabular_mlp_is_10_8_4_2_1():
    network = MLP(10, 1, hidden=(8, 4, 2))
    widths = [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]
    assert widths == [(10, 8), (8, 4), (4, 2), (2, 1)]
    assert parameters(network) == 137


def test_image_mlp_is_784_512_256_128_64_10_with_relu_between():
    network = image_mlp(1, 28, 10)
    widths = [m.in_features for m in network.modules() if isinstance(m, nn.Linear)]
    assert [*widths, network.head.out_features] == [784, 512, 256, 128, 64, 10]
    assert sum(isinstance(m, nn.ReLU) for m in network.modules()) == 4


def test_mlp_without_hidden_layers_is_linear():
    network = MLP(3, 2, hidden=())
    inputs = torch.randn(5, 3)
    torch.testing.assert_close(network(inputs), inputs @ network.head.weight.T + network.head.bias)


@pytest.mark.parametrize(("build", "features"), [(CNN, 320), (ResidualNet, 512), (GoogLeNet, 1408), (image_mlp, 64)])
def test_the_head_reads_the_features_of_the_specification(build, features):
    assert build(1, 28, 10).head.in_features == features


@pytest.mark.parametrize("build", IMAGE_NETS)
@pytest.mark.parametrize(("channels", "size", "outputs"), [(1, 28, 10), (3, 32, 7), (4, 17, 1), (3, 64, 100)])
def test_channels_size_and_outputs_follow_the_data(build, channels, size, outputs):
    with torch.device("meta"):
        network = build(channels, size, outputs)
        assert network(torch.empty(2, channels, size, size)).shape == (2, outputs)


@pytest.mark.parametrize("build", CONVOLUTIONAL)
def test_widths_are_configurable(build):
    network = build(1, 28, 10, channels=[64, 128], kernel_size=3)
    convolutions = [m for m in network.features if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [64, 128]
    assert [m.kernel_size for m in convolutions] == [(3, 3), (3, 3)]
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("build", CONVOLUTIONAL)
def test_images_too_small_are_refused_with_the_smallest_size_that_works(build):
    with pytest.raises(ValueError, match=r"15x15 are too small.*data\.image_size=16"):
        build(1, 15, 10)
    assert build(1, 16, 10)(torch.zeros(2, 1, 16, 16)).shape == (2, 10)


def test_residual_block_is_relu_of_input_plus_residual():
    block = ResidualBlock(4)
    first, _, second = block.residual
    inputs = torch.randn(3, 4, 9, 9)
    inner = nn.functional.conv2d(inputs, first.weight, first.bias, padding=1).clamp(min=0)
    expected = (inputs + nn.functional.conv2d(inner, second.weight, second.bias, padding=1)).clamp(min=0)
    torch.testing.assert_close(block(inputs), expected)


def test_residual_block_with_zero_weights_is_relu():
    block = ResidualBlock(2)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    inputs = torch.randn(1, 2, 5, 5)
    assert torch.equal(block(inputs), inputs.relu())


def test_inception_joins_16_24_24_24_channels_in_order():
    block = Inception(10)
    inputs = torch.randn(2, 10, 12, 12)
    joined = block(inputs)
    assert joined.shape == (2, 88, 12, 12)
    parts = joined.split([16, 24, 24, 24], dim=1)
    branches = [block.branch1x1, block.branch5x5, block.branch3x3, block.branch_pool]
    for part, branch in zip(parts, branches, strict=True):
        assert torch.equal(part, branch(inputs))


def test_inception_branches_have_the_kernels_of_the_specification():
    block = Inception(10)

    def kernels(branch: nn.Module) -> list[tuple[int, int]]:
        return [(m.kernel_size[0], m.out_channels) for m in branch.modules() if isinstance(m, nn.Conv2d)]

    assert kernels(block.branch1x1) == [(1, 16)]
    assert kernels(block.branch5x5) == [(1, 16), (5, 24)]
    assert kernels(block.branch3x3) == [(1, 16), (3, 24), (3, 24)]
    assert kernels(block.branch_pool) == [(1, 24)]


@pytest.mark.parametrize("build", IMAGE_NETS)
def test_strict_export_keeps_the_batch_dynamic(build):
    network = build(1, 28, 10).eval()
    shapes = ({0: Dim("batch", min=2, max=512)},)
    program = export(network, (torch.randn(2, 1, 28, 28),), dynamic_shapes=shapes, strict=True)
    images = torch.randn(7, 1, 28, 28)
    torch.testing.assert_close(program.module()(images), network(images))


def test_tabular_mlp_exports_with_a_dynamic_batch():
    network = MLP(10, 1, hidden=(8, 4, 2)).eval()
    shapes = ({0: Dim("batch", min=2, max=512)},)
    program = export(network, (torch.randn(2, 10),), dynamic_shapes=shapes, strict=True)
    rows = torch.randn(5, 10)
    torch.testing.assert_close(program.module()(rows), network(rows))


@pytest.mark.parametrize("build", IMAGE_NETS)
def test_every_parameter_of_an_image_net_gets_a_gradient(build):
    network = build(1, 28, 10)
    network(torch.randn(4, 1, 28, 28)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
