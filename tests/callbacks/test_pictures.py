"""Pictures reach TensorBoard at the end of training and test, and nowhere else."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import DataLoader

from runner.callbacks.pictures import Pictures, outputs
from runner.data.images.shapes.masks import ShapesMasks
from runner.tasks.base import Task
from runner.tasks.binary import BinaryClassification
from runner.tasks.classification import Classification
from runner.tasks.evaluation_outputs import EvaluationOutputs
from runner.tasks.regression import Regression

SGD = partial(torch.optim.SGD, lr=0.01)
X = torch.tensor([[1.0], [2.0], [3.0]])


def pictures(task: Task, batch, folder: Path, *, tested: bool = True) -> dict[str, list[int]]:
    """The image tags that TensorBoard holds after two epochs and a test, with their steps."""
    logger = TensorBoardLogger(folder, name="", version="")
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    settings = {"accelerator": "cpu", "logger": logger, "callbacks": [Pictures()], **quiet}
    loader = DataLoader([batch], batch_size=None)
    pl.Trainer(max_epochs=2, **settings).fit(task, loader, loader)
    if tested:
        pl.Trainer(**settings).test(task, loader, verbose=False)
    logger.experiment.flush()
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [event.step for event in events.Images(tag)] for tag in events.Tags()["images"]}


def test_images_are_shown_with_confusions_and_samples(tmp_path: Path) -> None:
    task = Classification(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), SGD, num_classes=3)
    found = pictures(task, (torch.rand(30, 1, 4, 4), torch.arange(30) % 3), tmp_path)
    kinds = ("confusion_matrix", "per_class_accuracy", "samples_right", "samples_wrong")
    assert set(found) == {"train/first_batch"} | {f"{stage}/{kind}" for stage in ("val", "test") for kind in kinds}
    assert found["train/first_batch"] == [0] and found["val/confusion_matrix"] == [2]


def test_one_feature_gets_its_curve(tmp_path: Path) -> None:
    found = pictures(Regression(nn.Linear(1, 1), SGD), (X, 2 * X), tmp_path / "line", tested=False)
    assert set(found) == {"val/scatter", "val/fit"}
    task = BinaryClassification(nn.Linear(1, 1), SGD)
    found = pictures(task, (X, torch.tensor([0.0, 0.0, 1.0])), tmp_path / "hours", tested=False)
    assert set(found) == {"val/confusion_matrix", "val/probability_curve"}
    assert task.training


def test_without_tensorboard_nothing_is_kept(fit) -> None:
    callback = Pictures()
    batches = [(X, 2 * X)]
    fit(Regression(nn.Linear(1, 1), SGD), batches, batches, max_epochs=1, callbacks=[callback])
    assert callback._targets == []


def test_evidence_undoes_the_normalisation() -> None:
    images = torch.rand(2, 3, 4, 4)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    shape = (1, 3, 1, 1)
    inputs = (images - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
    torch.testing.assert_close(EvaluationOutputs(inputs, torch.zeros(2), {}, mean, std).images, images)
    rows = EvaluationOutputs(torch.tensor([[-1.0], [1.0]]), torch.zeros(2), {}, (10.0,), (2.0,))
    assert rows.original(rows.inputs).flatten().tolist() == [8.0, 12.0]
    assert rows.grid(3).flatten().tolist() == pytest.approx([-1.5, 0.0, 1.5])
    assert rows.images is None


def test_pictures_show_images_as_their_data_read_them() -> None:
    settings = {"samples": 40, "most": 2, "noise": 0.0, "seed": 0, "channels": 3, "image_size": 16, "num_classes": 4}
    data = ShapesMasks(**settings, mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4])
    data.setup()
    raw = data.splits["test"].inputs
    shown = outputs(SimpleNamespace(datamodule=data), data.transform(raw), torch.zeros(len(raw)), {})
    torch.testing.assert_close(shown.images, raw / 255, rtol=0, atol=1e-6)
