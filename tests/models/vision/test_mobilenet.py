"""MobileNets cost what their papers say; separating convolutions saves what it should; activations are those chosen."""

import pytest
import torch
import torchvision
from torch import nn

from runner.measure.formulas import multiply_accumulates
from runner.models.activation import ACTIVATIONS
from runner.models.cnn import CNN
from runner.models.convolution import separable_share
from runner.models.googlenet import GoogLeNet
from runner.models.mlp import MLP, image_mlp
from runner.models.resnet import ResidualNet
from runner.models.vision.mobilenet import CONVOLUTIONS, MobileNetV1, MobileNetV2, convolved
from runner.models.vision.sliding_window import SlidingWindow

IMAGE_NETS = [CNN, ResidualNet, GoogLeNet, image_mlp, SlidingWindow]


@pytest.mark.parametrize(
    ("build", "convolution", "parameters", "macs"),
    [
        (MobileNetV1, "separable", 4_231_976, 568_740_352),  # table 4 of the paper: 4.2 and 569 million
        (MobileNetV1, "plain", 29_294_088, 4_867_293_184),  # 29.3 and 4866 million
        (MobileNetV2, "separable", 3_504_872, 300_774_272),  # table 4 of its paper: 3.4 and 300 million
    ],
)
def test_costs_are_those_of_the_papers(build, convolution, parameters, macs):
    with torch.device("meta"):
        network = build(3, 1000, convolution=convolution)
        assert sum(each.numel() for each in network.parameters()) == parameters
        assert multiply_accumulates(network, torch.empty(1, 3, 224, 224)) == macs


def test_inverted_residuals_compute_what_torchvisions_do():
    torch.manual_seed(0)
    theirs, ours = torchvision.models.mobilenet_v2(width_mult=0.25).eval(), MobileNetV2(3, 1000, width=0.25).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize(("before", "after"), [(8, 16), (32, 64), (64, 24)])
def test_a_separable_convolution_multiplies_one_out_of_its_channels_and_a_ninth_as_often(before, after):
    images = torch.empty(1, before, 6, 6, device="meta")
    with torch.device("meta"):
        counts = {
            name: multiply_accumulates(convolved(before, after, 1, name, nn.ReLU), images) for name in CONVOLUTIONS
        }
    assert counts["separable"] / counts["plain"] == pytest.approx(separable_share(after, 3), rel=1e-12)
    assert separable_share(16, 3) == pytest.approx(1 / 16 + 1 / 9)


@pytest.mark.parametrize("build", [MobileNetV1, MobileNetV2])
def test_another_convolution_is_refused_with_the_known(build):
    with pytest.raises(ValueError, match=r"model\.convolution=depthwise: choose from separable, plain"):
        build(1, 10, width=0.25, convolution="depthwise")


@pytest.mark.parametrize("build", IMAGE_NETS)
def test_every_activation_is_the_one_that_is_chosen(build):
    with torch.device("meta"):
        for name, kind in ACTIVATIONS.items():
            kinds = {type(each) for each in build(1, 28, 10, activation=name).modules()} & {
                one for one in ACTIVATIONS.values() if isinstance(one, type)
            }
            assert kinds == {kind}
    with pytest.raises(ValueError, match=r"model\.activation=reul: choose from relu, .* Did you mean relu"):
        build(1, 28, 10, activation="reul")


def test_a_network_for_tables_takes_its_activation():
    network = MLP(3, 2, hidden=(4,), activation="tanh")
    inputs = torch.randn(5, 3)
    torch.testing.assert_close(network(inputs), network.head(network.features[1](inputs).tanh()))
