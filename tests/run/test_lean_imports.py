"""Lean first imports: what no run uses stays out, and comes when it is looked at."""

import json
import subprocess
import sys
from types import ModuleType

import pytest

from runner.run import lean_imports

PROGRAM = """
import json, sys
from runner.run import lean_imports
lean_imports.install()
import pytorch_lightning, torch, torchmetrics
def imported(*names):
    return [name for name in names if name in sys.modules]
found = {"heavy": imported("matplotlib", "scipy", "torchvision", "transformers")}

from sklearn.model_selection import train_test_split
import torchvision.transforms.v2
from runner.run.lean_imports import stood_in
half, other = train_test_split(list(range(4)), test_size=0.5, random_state=0)
found["split"] = sorted(half + other)
layer = torch.nn.Linear(1, 1)
with stood_in():
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
asked = pytorch_lightning.utilities.compile.OptimizedModule
box = torchvision.tv_tensors.BoundingBoxes([[1.0, 0, 2, 2]], format="XYXY", canvas_size=(4, 4))
flipped = torchvision.transforms.v2.functional.horizontal_flip(box).tolist()
found["compiled"] = [isinstance(layer, asked), imported("torch._dynamo", "pandas", "scipy.stats", "sympy")]
optimizer.zero_grad()
compiled = torch.compile(layer)
found["compiled"] += [isinstance(compiled, asked), isinstance(layer, asked), imported("torch._dynamo")]
optimizer.add_param_group({"params": [torch.zeros(1)]})
again = torchvision.transforms.v2.functional.horizontal_flip(box)
found["flipped"] = [flipped == again.tolist(), type(again).__name__, len(optimizer.param_groups)]
found["ranks"] = sys.modules["sklearn.metrics._ranking"].rankdata([3, 1, 2]).tolist()

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
        "split": [0, 1, 2, 3],
        "compiled": [False, [], True, False, ["torch._dynamo"]],
        "flipped": [True, "BoundingBoxes", 2],
        "ranks": [3.0, 1.0, 2.0],
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


def test_a_version_that_needs_the_real_module_at_once_is_imported_plainly(monkeypatch):
    module, calls = ModuleType("half"), []
    monkeypatch.setitem(lean_imports.LATER, "half", ("module_of_another_version",))

    def execute(module):
        calls.append("module_of_another_version" in sys.modules)
        if calls == [True]:
            import module_of_another_version as other

            type("Derived", (other.Base,), {})

    lean_imports.execute(module, execute)
    assert calls == [True, False]


def test_the_variable_leaves_everything_as_it_is(monkeypatch):
    monkeypatch.setattr(lean_imports, "NAME", "metrics_of_another_version")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    before = [*sys.meta_path]
    monkeypatch.setenv("RUNNER_IMPORTS", "whole")
    lean_imports.install()
    assert sys.meta_path == before
    monkeypatch.delenv("RUNNER_IMPORTS")
    lean_imports.install()
    assert sys.meta_path[2:] == before
