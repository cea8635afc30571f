"""Runs of embeddings say whether two images are of one class, name the nearest, and refuse what can't be."""

import json

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from runner.cli.commands.predict import main as predict
from runner.cli.main import main
from runner.data.images.embedding.gallery import gallery_images
from runner.data.images.embedding.unseen_digits import UnseenDigits
from runner.errors import RunnerError
from runner.tasks.embedding.metric_learning import MetricLearning
from tests.support.runs import Run


def task():
    made = MetricLearning(nn.Identity(), torch.optim.SGD)
    made.threshold.fill_(0.5)
    return made


def test_embeddings_have_unit_length_inside_the_network():
    assert torch.allclose(task().standalone()(torch.tensor([[3.0, 4.0]])), torch.tensor([[0.6, 0.8]]))


def test_pairs_are_judged_by_the_threshold_and_names_told_once():
    ann, ben = torch.eye(2)
    assert task().pair(torch.stack([ann, ann])) == {"distance": 0, "threshold": 0.5, "same": True}
    assert not task().pair(torch.stack([ann, ben]))["same"]
    rows = task().nearest(ann[None], torch.stack([ben, ann, ben]), ["ben", "ann", "ben"])[0]
    assert [(row["nearest"], row["same"]) for row in rows] == [("ann", True), ("ben", False)]


def test_a_gallery_is_named_by_files_or_folders_and_never_empty(tmp_path):
    with pytest.raises(RunnerError, match="holds no images"):
        gallery_images(tmp_path)
    for name in ("ann.png", "ben/1.png", ".hidden/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (2, 2)).save(tmp_path / name)
    assert list(gallery_images(tmp_path).values()) == ["ann", "ben"]


def test_unseen_digits_are_never_trained_and_folds_are_refused():
    settings = {"channels": 1, "image_size": 8, "num_classes": 10, "mean": [0], "std": [1]}
    data = UnseenDigits(unseen=[7, 8, 9], per_class=2, batch_size=8, **settings)
    data.setup()
    classes = {name: set(each.targets.tolist()) for name, each in data.splits.items()}
    assert classes == {"train": {*range(7)}, "val": {7, 8, 9}, "test": {7, 8, 9}}
    assert not {*data.splits["val"].indices.tolist()} & {*data.splits["test"].indices.tolist()}
    with pytest.raises(RunnerError, match="divides images"):
        data.check_folds(5)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with a short run, two people's pictures, and files that are none."""
    folder = tmp_path_factory.mktemp("compared")
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer=cpu", f"hydra.run.dir={folder / 'run'}"]
    assert main(["experiment=digits_siamese", "model=cnn", *short]) == 0
    for name, shade in (("ann.png", 0), ("people/ann/1.png", 0), ("people/ann/2.png", 90), ("people/ben.png", 200)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").resize((28, 28)).point(lambda value, shade=shade: abs(value - shade)).save(
            folder / name
        )
    (folder / "broken.png").write_text("no picture")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "ben.png").write_text("no picture")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def ask(place, monkeypatch):
    """`ask("ann.png")` are the rows of `predict run ann.png`."""
    monkeypatch.chdir(place)

    def rows(*arguments, run="run"):
        assert main(["predict", run, *arguments, "-o", "rows.json"]) == 0
        return json.loads((place / "rows.json").read_text())

    return rows


def test_two_pictures_are_judged_by_the_threshold_of_validation(ask, place):
    row = ask("ann.png", "people/ann/1.png")[0]
    assert row["distance"] == pytest.approx(0, abs=1e-3)
    assert row["same"]
    assert row["threshold"] == pytest.approx(Run(place / "run").metrics["val/threshold"])
    embeddings = [torch.tensor([*ask(name)[0].values()][1:]) for name in ("ann.png", "people/ben.png")]
    assert ask("ann.png", "people/ben.png")[0]["distance"] == pytest.approx(float(torch.dist(*embeddings)), abs=1e-5)


def test_the_nearest_of_a_gallery_come_first(ask):
    rows = ask("ann.png", "people/ben.png", "--gallery", "people")
    assert [(row["input"], row["nearest"]) for row in rows] == [
        *(("ann.png", name) for name in ("ann", "ben")),
        *(("people/ben.png", name) for name in ("ben", "ann")),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "ann.png", "--gallery", "empty"], "--gallery empty: holds no images"),
        (["run", "ann.png", "--gallery", "nowhere"], "--gallery nowhere: there is no such directory"),
        (["run", "ann.png", "--gallery", "damaged"], "ben.png can't be read as an image"),
        (["run", "ann.png", "broken.png"], "broken.png can't be read as an image"),
        (["run", "--gallery", "people"], "name the images to look for"),
        (["DIGITS", "ann.png", "--gallery", "people"], "this one's is classification"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments, words, place, digits_run, monkeypatch):
    monkeypatch.chdir(place)
    with pytest.raises(RunnerError, match=words):
        predict([str(digits_run) if each == "DIGITS" else each for each in arguments])


def test_tensorboard_shows_pairs_and_the_projector_their_embeddings(place):
    board = place / "run" / "tensorboard"
    shown = EventAccumulator(str(board), size_guidance={"images": 0}).Reload().Tags()["images"]
    assert {f"{split}/{kind}" for split in ("val", "test") for kind in ("roc", "distances", "pairs")} <= {*shown}
    points = next(iter(sorted(board.rglob("test/tensors.tsv")))).read_text().splitlines()
    labels = next(iter(sorted(board.rglob("test/metadata.tsv")))).read_text().splitlines()
    assert len(points) == len(labels) > 200
    assert {*labels} == {"7", "8", "9"}
    vector = torch.tensor([float(each) for each in points[0].split("\t")])
    assert float(vector.norm()) == pytest.approx(1, abs=1e-4)
