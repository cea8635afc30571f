"""Random images are what was asked for, decided by their seed alone."""

import pytest
import torch

from runner.data.images.classified.random_images import RandomImages
from runner.errors import RunnerError


def random_images(**changes) -> RandomImages:
    asked = {"samples": 40, "seed": 3, "channels": 2, "image_size": 20, "num_classes": 4, **changes}
    data = RandomImages(mean=[0.5, 0.5], std=[0.29, 0.29], test_fraction=0.25, validation_fraction=0.2, **asked)
    data.setup()
    return data


def test_number_size_and_classes_are_those_asked_for():
    data = random_images()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 22, "val": 8, "test": 10}
    inputs = data.splits["train"].inputs
    assert inputs.shape == (22, 2, 20, 20) and (inputs.min(), inputs.max()) == (0, 255)
    assert torch.cat([split.targets for split in data.splits.values()]).bincount().tolist() == [10] * 4
    assert data.transform(inputs).std() == pytest.approx(1, abs=0.02)


def test_the_seed_alone_decides_them():
    first, same, other = random_images(), random_images(shuffle_seed=7), random_images(seed=4)
    assert torch.equal(first.splits["train"].inputs, same.splits["train"].inputs)
    assert not torch.equal(first.splits["train"].inputs, other.splits["train"].inputs)


def test_too_few_are_refused():
    with pytest.raises(RunnerError, match=r"data\.samples=2: must be at least 3"):
        random_images(samples=2)
