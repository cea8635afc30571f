"""Runs of embeddings say whether two images are of one class, name the nearest, and refuse what can't be."""

import pytest
import torch
from PIL import Image
from torch import nn

from runner.cli.main import main
from runner.data.images.embedding.gallery import gallery_images
from runner.data.images.embedding.unseen_digits import UnseenDigits
from runner.errors import RunnerError
from runner.tasks.embedding.metric_learning import MetricLearning


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


def test_predict_compares_two_images(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "logger=none", "hydra.run.dir=run"]
    assert main(["experiment=digits_siamese", *short]) == 0
    Image.new("L", (28, 28)).save("ann.png")
    capsys.readouterr()
    assert main(["predict", "run", "ann.png", "ann.png"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-1] == "True"
