"""Augmentation: every configuration builds, keeps shapes and ranges, and says no to impossible values."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torchvision.transforms import v2

from runner.data.images.augmentation import Augmentation
from runner.errors import RunnerError

FOLDER = Path(__file__).resolve().parents[3] / "conf" / "augmentation"
NAMES = sorted(path.stem for path in FOLDER.glob("[!_]*.yaml"))


def configured(name: str) -> Augmentation:
    own = OmegaConf.load(FOLDER / f"{name}.yaml")
    del own["defaults"]
    whole = OmegaConf.merge(OmegaConf.load(FOLDER / "_base.yaml"), own)
    node = OmegaConf.create({"augmentation": whole, "data": {"num_classes": 10}})
    return instantiate(node.augmentation)


def test_the_choices_are_those_that_are_documented():
    assert NAMES == ["cutmix", "light", "mixup", "none", "standard", "strong"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_configured_augmentation_keeps_shape_type_and_range(name, channels):
    images, targets = torch.rand(8, channels, 28, 28), torch.arange(8)
    augmented, _ = configured(name)(images.clone(), targets)
    assert augmented.shape == images.shape and augmented.dtype == torch.float32
    assert augmented.min() >= 0 and augmented.max() <= 1 + 1e-5
    assert torch.equal(augmented, images) == (name == "none")


@pytest.mark.parametrize("name", ["light", "standard", "strong"])
def test_configured_augmentation_treats_equal_images_differently_and_mirrors_none(name):
    augmentation = configured(name)
    same = torch.rand(1, 1, 28, 28).repeat(6, 1, 1, 1)
    augmented, targets = augmentation(same, torch.arange(6))
    assert len({tuple(image.flatten().tolist()) for image in augmented}) == 6
    assert torch.equal(targets, torch.arange(6))
    assert augmentation.geometry["flip"] == 0


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_makes_soft_labels_that_sum_to_one(name):
    torch.manual_seed(0)
    targets = configured(name)(torch.rand(8, 1, 28, 28), torch.arange(8))[1]
    assert targets.shape == (8, 10) and targets.dtype == torch.float32
    torch.testing.assert_close(targets.sum(1), torch.ones(8))
    assert ((targets > 0).sum(1) == 2).all(), "each label is shared by two classes"


def test_mixed_images_agree_with_their_labels():
    torch.manual_seed(0)
    values = torch.tensor([0.0, 1.0])
    images = values.view(2, 1, 1, 1).expand(2, 1, 8, 8)
    mixed, targets = Augmentation(mix=v2.MixUp(alpha=1.0, num_classes=2))(images, torch.tensor([0, 1]))
    torch.testing.assert_close(mixed.mean((1, 2, 3)), targets[:, 1])


def test_same_seed_same_augmented_batch():
    images, targets = torch.rand(8, 3, 28, 28), torch.arange(8)
    results = []
    for _ in range(2):
        torch.manual_seed(11)
        results.append(configured("strong")(images, targets)[0])
    assert torch.equal(*results)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shift", -1),
        ("scale", 1.0),
        ("flip", 1.5),
        ("erase", -0.1),
        ("shear", 90),
        ("rotate", 200),
        ("contrast", -1),
        ("mosaic", 2),
        ("pca", -1),
    ],
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(RunnerError, match=f"augmentation.{name} must be at least 0"):
        Augmentation(**{name: value})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"warp": 5.0, "warp_spacing": 16.0}, "move by at most 4, or the image folds"),
        ({"area": 0.0}, "nothing would be left"),
        ({"aspect": 0.5}, "at least 1"),
    ],
)
def test_geometry_that_makes_no_sense_is_refused(settings, said):
    with pytest.raises(RunnerError, match=said):
        Augmentation(**settings)


def test_one_class_an_image_has_no_mosaic():
    with pytest.raises(RunnerError, match="for boxes and masks"):
        Augmentation(mosaic=0.5)(torch.rand(4, 3, 8, 8), torch.arange(4))


def test_pca_colour_moves_along_the_main_directions_of_the_training_pixels():
    """Pixels on a line from black to one colour: shifts are multiples of that colour, by the variance along it."""
    torch.manual_seed(0)
    direction = torch.tensor([0.6, 0.6, 0.5]) / torch.tensor([0.6, 0.6, 0.5]).norm()
    pixels = (torch.rand(1, 1, 100, 100) * 200 * direction[:, None, None]).to(torch.uint8)
    augmentation = Augmentation(pca=0.5)
    augmentation.fit(lambda: pixels)
    images = torch.full((4000, 3, 1, 1), 0.5)
    shifts = (augmentation(images, torch.zeros(4000))[0] - images)[:, :, 0, 0]
    along = shifts @ direction
    assert (shifts - along[:, None] * direction).abs().max() < 1e-3
    variance = (pixels[0].flatten(1).double() / 255).T @ direction.double()
    assert abs(along.std() - 0.5 * variance.var()) < 0.05 * 0.5 * variance.var()


def test_channels_shift_apart():
    torch.manual_seed(0)
    shifts = Augmentation(channels=0.1)(torch.full((500, 3, 2, 2), 0.5), torch.zeros(500))[0][:, :, 0, 0] - 0.5
    assert shifts.abs().max() <= 0.1 + 1e-6 and shifts.abs().amax(0).min() > 0.09
    assert torch.corrcoef(shifts.T).fill_diagonal_(0).abs().max() < 0.2
