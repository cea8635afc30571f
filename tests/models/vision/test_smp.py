"""Segmenters of segmentation_models_pytorch: built by name, and refused with the reason."""

import sys

import pytest
import torch

from runner.models.vision.smp import smp_model

FITTED = {"in_channels": 3, "image_size": 64, "num_outputs": 4}


@pytest.mark.parametrize(("architecture", "encoder"), [("Unet", "resnet18"), ("FPN", "tu-mobilenetv3_small_050")])
def test_a_segmenter_answers_for_every_pixel(architecture, encoder):
    pytest.importorskip("segmentation_models_pytorch")
    network = smp_model(architecture, encoder, **FITTED).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 4, 64, 64)


@pytest.mark.parametrize(
    ("architecture", "encoder", "size", "said"),
    [
        ("Unett", "resnet18", 64, "Unett"),
        ("Unet", "resnet181", 64, "resnet181"),
        ("FPN", "resnet18", 50, r"data\.image_size=64"),
    ],
)
def test_what_the_library_does_not_have_is_said(architecture, encoder, size, said):
    pytest.importorskip("segmentation_models_pytorch")
    with pytest.raises(ValueError, match=said):
        smp_model(architecture, encoder, **{**FITTED, "image_size": size})


def test_without_the_library_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ValueError, match=r"pip install 'runner\[smp\]'"):
        smp_model("Unet", "resnet18", **FITTED)
