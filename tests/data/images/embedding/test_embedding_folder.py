"""Folders of a user's own classes are divided by class, and what has too few of them is refused."""

import pytest

from runner.data.images.embedding.embedding_folder import EmbeddingFolder
from runner.errors import RunnerError
from tests.support import pictures

LEVELS = {name: 30 * number for number, name in enumerate(("ann", "ben", "cat", "dan", "eve", "fay", "gus"))}


def read(root, levels=LEVELS, **changes):
    image = {"channels": 1, "image_size": 6, "num_classes": len(levels), "mean": [0.5], "std": [0.5]}
    data = EmbeddingFolder(root=str(root), per_class=2, batch_size=4, **image, **changes)
    data.setup()
    return data


def test_whole_classes_are_kept_from_training_always_the_same(tmp_path):
    pictures.fill(tmp_path, 3, LEVELS)
    classes = [
        [set(each.targets.tolist()) for each in read(tmp_path, split_seed=seed).splits.values()] for seed in (0, 0, 1)
    ]
    assert classes[0] == classes[1] != classes[2]
    assert [len(each) for each in classes[0]] == [3, 2, 2]
    assert set.union(*classes[0]) == {*range(7)}


@pytest.mark.parametrize(
    ("count", "changes", "words"),
    [
        (3, {"levels": dict([*LEVELS.items()][:5])}, "holds 5 classes: too few"),
        (3, {"test_fraction": 0.6}, "holds 7 classes: too few"),
        (1, {}, "has a single image of"),
        (3, {"fewest": 4}, "holds 0 classes of 4 images or more: too few"),
    ],
)
def test_too_few_classes_or_images_are_refused(tmp_path, count, changes, words):
    pictures.fill(tmp_path, count, changes.get("levels", LEVELS))
    with pytest.raises(RunnerError, match=words):
        read(tmp_path, **changes)


def test_classes_of_fewer_images_are_left_out(tmp_path):
    pictures.fill(tmp_path, 3, LEVELS)
    (tmp_path / "ben" / "00.png").unlink()
    parts = read(tmp_path, fewest=3).splits.values()
    assert {label for part in parts for label in part.targets.tolist()} == {0, *range(2, 7)}


def test_a_division_by_images_is_refused(tmp_path):
    for part in ("train", "test"):
        pictures.fill(tmp_path / part, 3, LEVELS)
    with pytest.raises(RunnerError, match="parts that share their classes"):
        read(tmp_path)
