"""A run whose network takes a dict and answers with a tuple: trained, quantized, exported, timed and gone on with."""

import csv
import json
import sys

import pytest
from omegaconf import OmegaConf

from runner.cli.main import main
from runner.job.formats import known_formats

FORMATS = known_formats()

PACKAGE = """\
import torch
from torch import nn
from torchmetrics import MeanSquaredError
from runner.data.module import DataModule, Source
from runner.tasks.base import Task


class Sides(DataModule):
    kind = "tabular"

    def load(self):
        drawn = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
        inputs = {"left": drawn[:, :5], "right": drawn[:, 5:]}
        return Source(inputs, (drawn.sum(1, keepdim=True), drawn[:, :2]))

    def transform(self, inputs):
        return inputs

    def read(self, paths):
        return {"left": torch.ones(len(paths), 5), "right": torch.ones(len(paths), 3)}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(5, 16), nn.Linear(3, 16)
        self.hidden, self.total, self.part = nn.Linear(16, 16), nn.Linear(16, 1), nn.Linear(16, 2)

    def forward(self, inputs):
        both = torch.relu(self.hidden(torch.relu(self.left(inputs["left"]) + self.right(inputs["right"]))))
        return self.total(both), self.part(both)


class Both(Task):
    def loss(self, outputs, targets):
        return sum(nn.functional.mse_loss(one, two) for one, two in zip(outputs, targets))

    def make_metrics(self):
        return {"mse": MeanSquaredError()}

    def metric_inputs(self, outputs, targets):
        return torch.cat(outputs, 1), torch.cat(targets, 1)

    def predictions(self, outputs):
        return {"total": outputs[0], "part": outputs[1]}

    def rows(self, outputs, targets=None):
        return [{"total": float(each)} for each in outputs[0]]
"""
YAMLS = {
    "data/sides": """\
defaults:
  - override /model@_global_.model: sides
  - override /task@_global_.task: both
_target_: two_sided.Sides
kind: tabular
batch_size: 32
num_workers: 0
shuffle_seed: ${seed}
""",
    "model/sides": """\
_target_: two_sided.Net
takes: [tabular]
""",
    "task/both": """\
_target_: two_sided.Both
name: both
outputs: values
monitor: val/mse
monitor_mode: min
trainable: all
decay_bias_and_norm: false
schedule_interval: ${oc.select:scheduler.interval,epoch}
schedule_monitor: ${oc.select:scheduler.monitor,null}
""",
}
RUN = ["data=sides", "runner.plugins=[two_sided]", "trainer=cpu", "trainer.max_epochs=2"]
TIMED = ["benchmark.batch_sizes=[1]", "benchmark.seconds=0.05", "benchmark.runs=2"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory of the user's with the package and its choices."""
    (tmp_path / "two_sided.py").write_text(PACKAGE)
    for name, text in YAMLS.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# Two sides\n# python -m runner data=sides\n# Expect little\n{text}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("two_sided", None)
    yield tmp_path
    sys.modules.pop("two_sided", None)


def test_it_goes_through_qat_every_file_benchmark_predict_and_resume(place, capsys):
    formats = [name for name in ("program", "aot", "onnx") if not FORMATS[name].missing]
    stages = "stages=[fit,compress,test,analyse,export,benchmark,predict]"
    qat = ["quantization=qat", "quantization.fine_tune.epochs=1", f"export.formats=[{','.join(formats)}]"]
    assert main([*RUN, stages, *qat, *TIMED, "hydra.run.dir=run"]) == 0
    metrics = json.loads((place / "run" / "result.json").read_text())["metrics"]
    assert metrics["compressed/int8_operators"] == 5
    assert all(metrics[f"export/{name}/sqnr_db"] >= 25 for name in formats)
    assert metrics["benchmark/int8/sqnr_db"] > 15
    with (place / "run" / "artifacts" / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 40
    (place / "asked").touch()
    for name in formats:
        path = place / "run" / "artifacts" / f"int8{FORMATS[name].suffix}"
        assert main(["predict", str(path), "asked", "-o", f"{name}.csv", RUN[1]]) == 0
    (place / "run" / "result.json").unlink()
    assert main(["predict", str(place / "run" / "artifacts" / "int8.aot.pt2"), "asked", RUN[1]]) == 2
    assert "native code" in capsys.readouterr().err
    # As a run is left that was killed between its training and compress; what comes after that was tried above.
    config = OmegaConf.load(place / "run" / "config.yaml")
    config.stages = ["fit", "compress", "test"]
    OmegaConf.save(config, place / "run" / "config.yaml")
    status = json.loads((place / "run" / "status.json").read_text())
    (place / "run" / "status.json").write_text(json.dumps(status | {"state": "failed", "done": ["fit"]}))
    assert main(["resume", "run", RUN[1]]) == 0
    again = json.loads((place / "run" / "result.json").read_text())["metrics"]
    assert again["compressed/mse"] == metrics["compressed/mse"]


def test_a_file_that_cannot_hold_it_is_refused_before_training(place, capsys, monkeypatch):
    monkeypatch.setattr(type(FORMATS["openvino"]), "missing", [])
    assert main([*RUN, "stages=[fit,compress,export]", "quantization=qat", "export.formats=[openvino]"]) == 2
    assert "these can: aot, onnx, program" in capsys.readouterr().err
