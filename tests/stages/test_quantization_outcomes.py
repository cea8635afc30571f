"""Quantization that cannot do what was asked: its messages and its files, all through the real command."""

import csv
import json
import platform
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from runner.cli.main import main
from runner.compression.files.formats import chosen
from runner.compression.network import kind_of
from runner.compression.quantization.graph.simulate import SimulatedNetwork
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.errors import RunnerError
from runner.job.context import Context
from runner.job.formats import known_formats
from runner.stages.compress import trains_first
from runner.tracking.result import RunResult

TRAIN = (
    "model=cnn",
    "data=digits",
    "augmentation=none",
    "trainer=cpu",
    "logger=csv",
    "trainer.max_epochs=2",
)
QUICK = (*TRAIN, "quantization.calibration.batches=1")
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


def worse_programs(patch: pytest.MonkeyPatch, enough_in_float: int) -> None:
    """Programs lose 0.2 of the metric until so many layers stay in float; simulations don't show it."""
    honest = Context.monitored

    def monitored(context, task, network):
        lost = isinstance(network, QuantizedNetwork) and network.reach.reached > 3 - enough_in_float
        return honest(context, task, network) - (0.2 if lost else 0.0)

    patch.setattr(Context, "monitored", monitored)


def test_a_program_that_drops_more_than_simulated_leaves_more_layers_in_float(mixed, tmp_path, monkeypatch, capsys):
    worse_programs(monkeypatch, enough_in_float=1)
    overrides = [f"checkpoint={mixed.run_directory}", *QUICK, *MIXED, "stages=[compress]", "quantization.max_drop=0.05"]
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *overrides]) == 0
    assert "Not enough was leaving no layer: val/accuracy dropped by" in capsys.readouterr().out
    result = RunResult.load(tmp_path / "run" / "result.json")
    assert result.metrics["compressed/mixed/float_layers"] == 1
    assert result.metrics["compressed/int8_operators"] == 2
    assert result.metrics["compressed/mixed/drop"] <= 0.05


def test_programs_that_all_drop_too_much_lose_nothing_and_are_written_down(mixed, tmp_path, monkeypatch, capsys):
    worse_programs(monkeypatch, enough_in_float=3)
    overrides = [f"checkpoint={mixed.run_directory}", *QUICK, *MIXED, "stages=[compress]", "quantization.max_drop=0.05"]
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *overrides]) == 2
    assert "No selection of layers keeps the drop within max_drop=0.05: the best found" in capsys.readouterr().err
    found = json.loads((tmp_path / "run" / "artifacts" / "mixed_precision.json").read_text())
    tried = found["tried"]["as_program"]
    assert [len(trial["skip"]) for trial in tried] == [0, 1, 2]
    assert found["drop"] == min(trial["drop"] for trial in tried) > 0.15
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["metrics"]["compressed/mixed/drop"]) == ("failed", found["drop"])


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
    best = json.loads((run / "artifacts" / "mixed_precision.json").read_text())
    assert best["drop"] is None
    assert best["simulated_drop"] > 0.001
    assert status["metrics"]["compressed/mixed/float_layers"] == len(best["float_layers"]) < len(best["layers"])
    monkeypatch.undo()
    monkeypatch.setattr(QuantizedNetwork, "can_lower", False)
    overrides = [f"checkpoint={run}", "stages=[compress,test]", "quantization=ptq_mixed", "quantization.max_drop=0.5"]
    assert main([f"hydra.run.dir={tmp_path / 'on'}", *QUICK, *overrides]) == 0


@pytest.fixture
def branching(tmp_path, monkeypatch) -> list[str]:
    """The overrides that choose a user's network whose path depends on the values it sees."""
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
    return [*TRAIN, "runner.plugins=[branching]", "model._target_=branching.Branching"]


def test_a_network_that_cannot_be_captured_is_refused_before_the_first_epoch(branching, tmp_path, capsys):
    overrides = [*branching, "quantization=ptq_static", "stages=[fit,compress]"]
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *overrides]) == 2
    message = capsys.readouterr().err
    assert "branching.py:9 in forward: if inputs.mean() > 0" in message
    assert "torch.where()" in message
    assert "Traceback" not in message
    assert "done" not in json.loads((tmp_path / "run" / "status.json").read_text())
    assert not list((tmp_path / "run").rglob("*.ckpt"))


def test_without_training_compress_itself_tells_the_line(branching, tmp_path, capsys):
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *branching, "trainer.max_epochs=1", "stages=[fit]"]) == 0
    overrides = [*branching, f"checkpoint={tmp_path / 'run'}", "quantization=ptq_static", "stages=[compress]"]
    assert main([f"hydra.run.dir={tmp_path / 'int8'}", *overrides]) == 2
    assert "branching.py:9 in forward: if inputs.mean() > 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stages", "resumed", "checkpoint", "expected"),
    [
        (["fit", "test", "compress"], False, None, True),
        (["fit", "compress"], False, "other/run", True),
        (["cross_validate", "compress"], False, None, True),
        (["compress", "test"], False, "other/run", False),
        (["fit", "compress"], True, None, True),
        (["fit", "compress"], True, "this/run", False),
    ],
)
def test_the_network_is_tried_only_where_training_is_to_come(stages, resumed, checkpoint, expected):
    context = SimpleNamespace(config=SimpleNamespace(stages=stages), resumed=resumed)
    assert trains_first(context, SimpleNamespace(checkpoint=checkpoint)) is expected


def test_looking_ahead_changes_nothing_about_the_training(mixed, tmp_path):
    assert main([f"hydra.run.dir={tmp_path / 'run'}", *TRAIN, "stages=[fit,test]"]) == 0
    alone = RunResult.load(tmp_path / "run" / "result.json").metrics
    assert alone["test/loss"] == mixed.metrics["test/loss"]
    assert alone["val/loss"] == mixed.metrics["val/loss"]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="here it is no other machine's back end")
def test_a_back_end_of_another_machine_is_tested_and_saved_here(mixed, tmp_path, capsys):
    overrides = [
        f"checkpoint={mixed.run_directory}",
        *QUICK,
        "quantization=ptq_static",
        "stages=[compress,test,export]",
    ]
    overrides += ["quantization/backend=arm_inductor", f"hydra.run.dir={tmp_path / 'run'}"]
    assert main(overrides) == 0
    assert "arm_inductor lowers on aarch64; this machine is" in capsys.readouterr().out
    result = RunResult.load(tmp_path / "run" / "result.json")
    assert result.metrics["compressed/accuracy"] == pytest.approx(mixed.metrics["test/accuracy"], abs=0.01)
    assert "int8_program" in result.artifacts
    assert "int8_aot" not in result.artifacts


@pytest.mark.parametrize(
    ("recipes", "kind", "onnx"),
    [
        ({"static"}, "static", True),
        ({"qat", "float"}, "static", True),
        ({"dynamic", "float"}, "dynamic", True),
        ({"static", "dynamic"}, "static and dynamic", False),
    ],
)
def test_formats_are_chosen_by_what_they_can_hold(recipes, kind, onnx):
    assert kind_of(recipes) == kind
    assert ("onnx" in chosen(known_formats(), "auto", "inductor", kind)) is onnx
    if not onnx:
        with pytest.raises(
            RunnerError, match="onnx cannot hold static and dynamic int8 programs; these can: aot, exec"
        ):
            chosen(known_formats(), ["onnx"], "inductor", kind)


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
