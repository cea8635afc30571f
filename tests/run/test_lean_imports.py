"""The lean first import of torchmetrics: what no run uses stays out, and comes when it is looked at."""

import json
import subprocess
import sys
from types import ModuleType

import pytest

from runner.run import lean_imports

PROGRAM = """
import json, sys
from runner.run import lean_imports
before = list(sys.meta_path)
lean_imports.install()
import pytorch_lightning, torch, torchmetrics
def heavy():
    return [name for name in ("matplotlib", "scipy", "torchvision", "transformers") if name in sys.modules]
found = {"heavy": heavy(), "finders": sys.meta_path == before}

from torchmetrics.classification import MulticlassAccuracy
accuracy = MulticlassAccuracy(num_classes=2, average="micro")
accuracy.update(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 0]))
found["accuracy"] = accuracy.compute().item()
found["picture"] = type(accuracy.plot()[0]).__name__

from torchmetrics.detection import MeanAveragePrecision
box = {"boxes": torch.tensor([[0.0, 0, 9, 9]]), "labels": torch.tensor([0])}
precision = MeanAveragePrecision()
precision.update([box | {"scores": torch.tensor([0.9])}], [box])
found["precision"] = precision.compute()["map"].item()
try:
    torchmetrics.detection.Nothing
except AttributeError as error:
    found["nothing"] = str(error)
found["same"] = isinstance(accuracy, torchmetrics.Metric) and torchmetrics.functional.image.arniqa.__name__
print(json.dumps(found))
"""


def test_heavy_libraries_come_when_they_are_looked_at():
    pytest.importorskip("pycocotools")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "heavy": [],
        "finders": True,
        "accuracy": 0.75,
        "picture": "Figure",
        "precision": 1.0,
        "nothing": "module 'torchmetrics.detection' has no attribute 'Nothing'",
        "same": "arniqa",
    }


def test_a_version_that_cannot_be_lean_is_imported_plainly(monkeypatch):
    monkeypatch.setattr(lean_imports, "NAME", "metrics_of_another_version")
    monkeypatch.setitem(sys.modules, "metrics_of_another_version.half", ModuleType("half"))
    module, calls = ModuleType("metrics_of_another_version"), []

    def execute(module):
        calls.append([name for name in sys.modules if name.startswith("metrics_of_another_version.")])

    lean_imports._execute(module, execute)  # has no `utilities.plot`
    assert calls == [["metrics_of_another_version.half"], []]


def test_the_variable_leaves_everything_as_it_is(monkeypatch):
    monkeypatch.setattr(lean_imports, "NAME", "metrics_of_another_version")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    before = [*sys.meta_path]
    monkeypatch.setenv("RUNNER_TORCHMETRICS", "whole")
    lean_imports.install()
    assert sys.meta_path == before
    monkeypatch.delenv("RUNNER_TORCHMETRICS")
    lean_imports.install()
    assert sys.meta_path[1:] == before
