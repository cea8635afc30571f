"""What quantization says when it cannot do what was asked, and what it leaves behind; all through the real command."""

import csv
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from runner.cli import main
from runner.compression.quantization.pt2e.network import QuantizedNetwork
from runner.compression.quantization.pt2e.simulate import SimulatedNetwork
from runner.job import Job
from runner.tracking.result import RunResult

QUICK = (
    "model=cnn",
    "data=digits",
    "augmentation=none",
    "trainer=cpu",
    "logger=csv",
    "trainer.max_epochs=2",
    "quantization.calibration.batches=1",
)
MIXED = ("quantization=ptq_mixed", "stages=[fit,test,compress,test]")


@pytest.fixture(scope="module", autouse=True)
def eager() -> Iterator[None]:
    """Compiling is no part of what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QuantizedNetwork, "can_lower", False)
        yield


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> RunResult:
    path = tmp_path_factory.mktemp("mixed") / "run"
    assert main([f"hydra.run.dir={path}", *QUICK, *MIXED, "quantization.max_drop=0.05"]) == 0
    return RunResult.load(path / "result.json")


@pytest.fixture(scope="module")
def table_run(tmp_path_factory) -> Path:
    """A static run on a table of the user's own, exported in every format that can be had."""
    folder = tmp_path_factory.mktemp("table")
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(120, 2, generator=generator).tolist()
    (folder / "table.csv").write_text("a,b,y\n" + "".join(f"{a},{b},{3 * a - 2 * b + 100}\n" for a, b in rows))
    overrides = [f"hydra.run.dir={folder / 'run'}", "data=csv", f"data.root={folder / 'table.csv'}", "data.target=y"]
    overrides += ["trainer=cpu", "logger=none", "optimizer.lr=0.01", "trainer.max_epochs=40", "quantization=ptq_static"]
    assert main([*overrides, "stages=[fit,test,compress,test,export]"]) == 0
    return folder / "run"


def test_mixed_precision_measures_the_program_itself_and_records_what_it_found(mixed):
    found = json.loads((Path(mixed.run_directory) / mixed.artifacts["mixed_precision"].path).read_text())
    assert found["drop"] == mixed.metrics["compressed/mixed/drop"] <= 0.05
    assert found["float"] == pytest.approx(mixed.metrics["val/accuracy"], abs=1e-6)
    assert mixed.metrics["compressed/mixed/simulated_drop"] == found["simulated_drop"]
    assert mixed.metrics["compressed/mixed/float_layers"] == len(found["float_layers"])
    assert len(found["layers"]) == 3


def test_a_drop_of_the_program_beyond_what_is_allowed_is_said(mixed, tmp_path, monkeypatch, capsys):
    honest = Job.monitored

    def worse(job, network):
        return honest(job, network) - (0.2 if isinstance(network, QuantizedNetwork) else 0.0)

    monkeypatch.setattr(Job, "monitored", worse)
    overrides = [f"checkpoint={mixed.run_directory}", *QUICK, *MIXED, "stages=[compress]"]
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *overrides, "quantization.max_drop=0.05"]) == 0
    assert "That is more than quantization.max_drop=0.05" in capsys.readouterr().out
    assert RunResult.load(tmp_path / "run" / "result.json").metrics["compressed/mixed/drop"] > 0.15


def test_a_drop_that_no_selection_reaches_loses_nothing(tmp_path, monkeypatch, capsys):
    def ruined(self, layers):
        self.ruin = bool(layers)
        return self

    forward = SimulatedNetwork.forward
    monkeypatch.setattr(SimulatedNetwork, "activate", ruined)
    monkeypatch.setattr(SimulatedNetwork, "forward", lambda self, x: forward(self, x) * (-1 if self.ruin else 1))
    run = tmp_path / "run"
    assert main([f"hydra.run.dir={run}", *QUICK, *MIXED, "quantization.max_drop=0.001"]) == 2
    message = capsys.readouterr().err
    assert "No selection of layers keeps the drop within max_drop=0.001: the best found leaves" in message
    assert f"checkpoint={run} stages=[compress,test]" in message
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["done"]) == ("failed", ["fit", "test"])
    assert status["metrics"]["test/accuracy"] > 0.5
    assert status["metrics"]["compressed/mixed/float_layers"] >= 0
    best = json.loads((run / "artifacts" / "mixed_precision.json").read_text())
    assert best["drop"] is None
    assert best["simulated_drop"] > 0.001
    monkeypatch.undo()
    monkeypatch.setattr(QuantizedNetwork, "can_lower", False)
    overrides = [f"checkpoint={run}", "stages=[compress,test]", "quantization=ptq_mixed", "quantization.max_drop=0.5"]
    assert main([f"hydra.run.dir={tmp_path / 'on'}", *QUICK, *overrides]) == 0


def test_a_network_that_cannot_be_captured_is_told_by_the_users_own_line(tmp_path, monkeypatch, capsys):
    code = (
        "from torch import nn\n\n"
        "class Branching(nn.Module):\n"
        "    def __init__(self, num_outputs, image_size, **rest):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(image_size**2, num_outputs)\n\n"
        "    def forward(self, inputs):\n"
        "        if inputs.mean() > 0:\n"
        "            inputs = inputs * 2\n"
        "        return self.fc(inputs.flatten(1))\n"
    )
    (tmp_path / "branching.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    overrides = ["runner.plugins=[branching]", "model._target_=branching.Branching", "quantization=ptq_static"]
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *QUICK, *overrides, "stages=[fit,compress]"]) == 2
    message = capsys.readouterr().err
    assert "branching.py:9 in forward: if inputs.mean() > 0" in message
    assert "torch.where()" in message
    assert "Traceback" not in message
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()


def test_a_calibration_batch_of_another_shape_is_told(mixed, tmp_path, monkeypatch, capsys):
    from runner.stages import compress

    def odd(*_, **__):
        yield torch.zeros(4, 1, 28, 28)
        yield torch.zeros(4, 1, 14, 28)

    monkeypatch.setattr(compress, "calibration_batches", odd)
    overrides = [f"checkpoint={mixed.run_directory}", *QUICK, "quantization=ptq_static", "stages=[compress]"]
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *overrides, "quantization.calibration.batches=2"]) == 2
    assert "Calibration batch 1 has shape (4, 1, 14, 28)" in capsys.readouterr().err


def artifacts(run: Path) -> dict[str, Path]:
    result = RunResult.load(run / "result.json")
    return {name: run / each.path for name, each in result.artifacts.items() if name.startswith("int8_")}


def test_predict_answers_for_the_rows_of_a_table_with_every_artifact(table_run, tmp_path, capsys):
    (tmp_path / "new.csv").write_text("b,a\n0,1\n1,0\n-1,-1\n")
    found = {}
    for name, path in {"float": table_run, **artifacts(table_run)}.items():
        assert main(["predict", str(path), str(tmp_path / "new.csv"), "-o", str(tmp_path / "out.csv")]) == 0
        with (tmp_path / "out.csv").open(newline="") as file:
            found[name] = [float(row["prediction"]) for row in csv.DictReader(file)]
    assert {"float", "int8_program", "int8_aot"} <= set(found)
    for values in found.values():
        assert values == pytest.approx(found["float"], abs=1.0)


def damaged(path: Path, target: Path) -> Path:
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return target


def test_damaged_artifacts_are_refused(table_run, tmp_path, capsys):
    (tmp_path / "new.csv").write_text("a,b\n0,1\n")
    for path in artifacts(table_run).values():
        broken = damaged(path, table_run / "artifacts" / f"half_{path.name}")
        assert main(["predict", str(broken), str(tmp_path / "new.csv")]) == 2
        message = capsys.readouterr().err
        assert broken.name in message
        assert "export it again" in message


def test_an_artifact_of_another_torch_is_refused(table_run, tmp_path, capsys):
    older = table_run / "artifacts" / "older.pt2"
    with zipfile.ZipFile(artifacts(table_run)["int8_program"]) as old, zipfile.ZipFile(older, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("runner.json"):
                content = json.dumps({**json.loads(content), "torch": "2.9.0"}).encode()
            new.writestr(name, content)
    (tmp_path / "new.csv").write_text("a,b\n0,1\n")
    assert main(["predict", str(older), str(tmp_path / "new.csv")]) == 2
    assert "written by torch 2.9.0" in capsys.readouterr().err
