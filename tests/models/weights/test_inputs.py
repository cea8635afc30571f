"""Data takes size and normalisation from the weights that the network starts from, unless they are typed."""

import pytest

from runner.config.compose import compose

LITE1 = ("model=efficientnet_lite1", "model.pretrained=true")
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (("model=efficientnet_lite1",), {"mean": [0.3117], "std": [0.3561], "image_size": 28}),
        (LITE1, {"mean": [0.5], "std": [0.5], "image_size": 240}),
        ((*LITE1, "data.image_size=64", "data.mean=[0.25]"), {"mean": [0.25], "std": [0.5], "image_size": 64}),
        ((*LITE1, "data=cifar10"), {"mean": [0.5] * 3, "std": [0.5] * 3, "image_size": 32}),
        (("model=efficientnet_lite0", "model.weights=imagenet"), {"mean": [0.5], "image_size": 224}),
        (("model=torchvision", "model.pretrained=true", "data=cifar10"), IMAGENET),
        (("model=torchvision", "model.pretrained=true"), {"mean": [0.449], "std": [0.226], "image_size": 224}),
        (("model=timm", "model.name=vit_tiny_patch16_224", "model.pretrained=true"), {"mean": [0.5]}),
        (("model=timm", "model.name=nonsense", "model.pretrained=true"), {"mean": [0.3117], "image_size": 28}),
        (("model=torchvision", "model.weights=NONE"), {"mean": [0.3117], "image_size": 28}),
    ],
)
def test_size_and_normalisation_follow_the_weights(typed, found):
    data = compose(typed).plain["data"]
    assert {key: data[key] for key in found} == found
