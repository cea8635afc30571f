"""Letters are drawn alike every time, scripts never meet, and batches hold several images of each class."""

import pytest
import torch

from runner.data.images.embedding.class_batches import ClassOrder
from runner.data.images.embedding.glyphs import Glyphs
from runner.errors import RunnerError

SCRIPTS = {"train": ["Georgian"], "val": ["Armenian"], "test": ["Lao"]}


def glyphs(scripts=SCRIPTS, **changes):
    settings = {"per_class": 2, "batch_size": 8, "channels": 1, "image_size": 12, "mean": [0], "std": [1]}
    return Glyphs(scripts=scripts, **{"num_classes": 0, **settings, **changes})


def test_scripts_share_no_class_and_every_letter_has_six_faces():
    source = glyphs().load()
    data = glyphs(num_classes=len(source.class_names))
    data.setup()
    classes = [set(each.targets.tolist()) for each in data.splits.values()]
    assert all(classes)
    assert sum(map(len, classes)) == len(source.class_names) == len(set.union(*classes))
    assert source.targets.bincount().min() >= 6
    assert torch.equal(data.splits["train"].rows[torch.arange(len(source.targets))], source.inputs)
    for _, labels in data.train_dataloader():
        assert labels.unique(return_counts=True)[1].min() >= 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scripts": {**SCRIPTS, "test": ["Klingon"]}}, "no letters of Klingon"),
        ({"scripts": {**SCRIPTS, "test": ["Georgian"]}}, "more than once"),
        ({"per_class": 1}, "two or more images"),
        ({"per_class": 3}, "multiple"),
    ],
)
def test_what_cannot_be_is_said(changes, words):
    with pytest.raises(RunnerError, match=words):
        glyphs(**changes).load()


def test_an_order_is_a_function_of_seed_and_epoch():
    labels = torch.arange(40) % 5
    first, again = ClassOrder(labels, 3, 4), ClassOrder(labels, 3, 4)
    order = first.permutation()
    assert torch.equal(order, again.permutation())
    assert all(len(set(labels[each].tolist())) == 1 for each in order.split(4))
    again.set_epoch(1)
    assert not torch.equal(order, again.permutation())
