"""Omniglot is read where it lies: alphabets are divided, none is trained and measured."""

import pytest
from PIL import Image

from runner.data.images.embedding.omniglot import Omniglot
from runner.errors import RunnerError

ALPHABETS = {"images_background": ("Arcadian", "Greek", "Latin"), "images_evaluation": ("Tengwar",)}


@pytest.fixture
def root(tmp_path):
    """Two characters of each alphabet, three drawings each, in a shade of their own."""
    for part, alphabets in ALPHABETS.items():
        for number, alphabet in enumerate(alphabets):
            for character in (1, 2):
                folder = tmp_path / "omniglot-py" / part / alphabet / f"character0{character}"
                folder.mkdir(parents=True)
                for drawing in range(3):
                    Image.new("1", (8, 8), number % 2).save(folder / f"{drawing}.png")
    return tmp_path


def omniglot(root, **changes):
    settings = {"channels": 1, "image_size": 8, "num_classes": 8, "mean": [0.5], "std": [0.5], "held_back": 1}
    data = Omniglot(root=str(root), per_class=2, batch_size=4, **{**settings, **changes})
    data.setup()
    return data


def test_alphabets_are_divided_by_name(root):
    data = omniglot(root)
    names = {name: {data.class_names[each].split()[0] for each in split.targets} for name, split in data.splits.items()}
    assert names == {"train": {"Arcadian", "Greek"}, "val": {"Latin"}, "test": {"Tengwar"}}
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 12, "val": 6, "test": 6}
    assert data.splits["train"].inputs.flatten(1).float().mean(1).tolist() == [0.0] * 6 + [255.0] * 6


def test_what_cannot_be_is_said(root, tmp_path, monkeypatch):
    with pytest.raises(RunnerError, match=r"data\.held_back=3: must be from 1 to 2"):
        omniglot(root, held_back=3)
    (root / "omniglot-py/images_evaluation/Tengwar/character01/0.png").write_text("no picture")
    with pytest.raises(RunnerError, match=r"0\.png can't be read as an image"):
        omniglot(root)
    monkeypatch.setenv("RUNNER_OFFLINE", "1")
    with pytest.raises(RunnerError, match="Omniglot is not there, and RUNNER_OFFLINE forbids"):
        omniglot(tmp_path / "nowhere")
