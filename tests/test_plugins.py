"""A package of somebody else's joins by its files alone: methods, data with a task, file formats."""

import json
import sys
from pathlib import Path

import pytest

from runner.cli.main import main
from runner.config.compose import compose
from runner.errors import RunnerError

CODE = '''
import os
from dataclasses import dataclass

import torch
from torch import nn

from runner.compression.files.file_format import FileFormat, program_of
from runner.compression.pruning import zeros
from runner.compression.pruning.recipe import Pruned, PruningRecipe
from runner.compression.pruning.weights import with_zeros
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation

from runner.compression.quantization.backends.custom_linear import LinearQuantizer
from runner.compression.quantization.backends.observers import activation_spec, weight_spec
from runner.compression.quantization.backends.part import Part
from runner.compression.quantization.backends.support import BackEnd
from runner.data.module import DataModule, Source
from runner.errors import RunnerError
from runner.tasks.classification import Classification
from mine.settings import FirstInputsSettings


@dataclass(frozen=True)
class FirstInputs(FirstInputsSettings, PruningRecipe):
    """Takes the first input of every linear layer away."""

    @property
    def target(self):
        return self.first

    def apply(self, network, amount, context):
        if "DISK_IS_FULL" in os.environ and context.early is None:
            raise RunnerError("The disk is full.")
        weights = {name: each for name, each in network.named_parameters() if each.ndim == 2}
        masks = {name: torch.zeros_like(each, dtype=torch.bool) for name, each in weights.items()}
        for mask in masks.values():
            mask[:, 0] = True
        return Pruned(with_zeros(network, masks), (zeros.STEP,))


class Beeps(DataModule):
    """Four loudnesses; the loudest of the last two decides."""

    kind = "beep"

    def __init__(self, *, num_classes, **splitting):
        super().__init__(**splitting)

    def load(self):
        inputs = torch.rand(60, 4, generator=torch.Generator().manual_seed(0))
        return Source(inputs, (inputs[:, 2] > inputs[:, 3]).long(), class_names=("low", "high"))

    def transform(self, inputs):
        return inputs

    def read(self, paths):
        return torch.tensor([[float(word) for word in path.read_text().split()] for path in paths])


class BeepTask(Classification):
    """Which beep it is."""


class EarBackEnd(BackEnd):
    """Linear layers, run by a chip that is not here."""

    def __init__(self):
        super().__init__(("static",), "chip", operators=("linear",), name="ear_chip")

    def part(self, numerics, recipe):
        activation, weight = activation_spec(numerics, recipe), weight_spec(numerics, recipe)
        return Part(recipe, LinearQuantizer(activation, weight), QuantizationAnnotation, activation, weight)


class FakeFile(FileFormat):
    """Weights as torch saves them."""

    suffix = ".fake"

    def save(self, network, compressed, example, path):
        torch.save(program_of(network, compressed).state_dict(), path)

    def load(self, path, build):
        network = build()
        network.load_state_dict(torch.load(path, weights_only=True), assign=True)
        return network
'''
SETTINGS = """
from dataclasses import dataclass
from typing import Annotated, ClassVar

from runner.compression.constraints import Settings, share


@dataclass(frozen=True)
class FirstInputsSettings(Settings):
    section: ClassVar[str] = "pruning"
    first: Annotated[float, share(one=False)] = 0.25
"""
YAML = {
    "pruning/first_inputs": """
suffix: -first
stages: [prune, test]
leaves_zeros: true
refuses: {image: pictures have no first input}
first: 0.25
schedule: one_shot
rounds: 1
importance_batches: 1
fine_tune: {epochs: 1, last_epochs: null, lr: 0.01, schedule: false}
recipe: {_target_: mine.parts.FirstInputs, first: "${pruning.first}"}
""",
    "data/beeps": """
defaults:
  - override /task@_global_.task: beep
  - override /model@_global_.model: ear
_target_: mine.parts.Beeps
kind: beep
batch_size: 16
num_classes: 2
""",
    "task/beep": """
_target_: mine.parts.BeepTask
name: beep
takes: [beep]
num_outputs: ${data.num_classes}
num_classes: ${data.num_classes}
monitor: val/accuracy
monitor_mode: max
schedule_interval: ${oc.select:scheduler.interval,epoch}
schedule_monitor: ${oc.select:scheduler.monitor,null}
""",
    "model/ear": "_target_: torch.nn.Linear\ntakes: [beep]\nin_features: 4\nout_features: ${task.num_outputs}\n",
    "quantization/backend/ear_chip": (
        "_target_: mine.parts.EarBackEnd\nname: ear_chip\nactivation_scheme: affine\nweight_granularity: per_channel\n"
    ),
    "export/format/fake": "_target_: mine.parts.FakeFile\n",
}
BEEPS = ("data=beeps", "runner.plugins=[mine]", "trainer=cpu", "trainer.max_epochs=1", "logger=csv")
PRUNED = (*BEEPS, "pruning=first_inputs", "stages=[fit,test,prune,test,export]", "export.formats=[fake]")


@pytest.fixture(autouse=True)
def somebody_elses_place(tmp_path, monkeypatch):
    """A working directory with a package and a configuration directory, and none of ours."""
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "parts.py").write_text(CODE)
    (package / "settings.py").write_text(SETTINGS)
    for name, text in YAML.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = f"# Mine: {name}\n# python -m runner\n# Expect it to work\n"
        path.write_text(header + text.lstrip("\n"))
    monkeypatch.chdir(tmp_path)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


def result_of(run: Path) -> dict:
    return json.loads((run / "result.json").read_text())


def test_its_choices_are_listed_and_checked(capsys):
    for group, name in (path.rsplit("/", 1) for path in YAML):
        assert main(["list", group]) == 0
        assert f"Mine: {group}/{name}" in capsys.readouterr().out
    assert main(["check", *PRUNED]) == 0


def test_its_mistakes_are_told_like_ours(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for override, words in (
        ("pruning.first=2", "pruning.first=2: must be at least 0 and below 1"),
        ("pruning.rounds=0", "pruning.rounds=0: must be at least 1"),
        ("model=cnn", "this network takes image data, not beep"),
        ("factorization=low_rank", "factorized layers have no zeros"),
    ):
        with pytest.raises(RunnerError, match=words):
            compose([*PRUNED, override])
    with pytest.raises(RunnerError, match="pruning=first_inputs data=digits: pictures have no first input"):
        compose(["data=digits", "pruning=first_inputs", "runner.plugins=[mine]"])


def test_a_stopped_run_is_resumed_reported_and_predicted_from(tmp_path, monkeypatch, capsys):
    run = tmp_path / "stopped"
    monkeypatch.setenv("DISK_IS_FULL", "1")
    assert main([*PRUNED, f"hydra.run.dir={run}"]) == 2
    monkeypatch.delenv("DISK_IS_FULL")
    assert main(["resume", str(run), "runner.plugins=[mine]"]) == 0
    result = result_of(run)
    assert {"test/accuracy", "pruned/accuracy", "export/fake/sqnr_db"} <= result["metrics"].keys()
    assert result["artifacts"]["pruned_fake"]["network"] == "pruned"
    assert result["artifacts"]["pruned_fake"]["format"] == "fake"
    (tmp_path / "conf").rename(tmp_path / "gone")
    (tmp_path / "beep.txt").write_text("0.1 0.1 0.9 0.1")
    capsys.readouterr()
    for network in (run, run / "artifacts" / "pruned.fake"):
        assert main(["predict", str(network), str(tmp_path / "beep.txt"), "runner.plugins=[mine]"]) == 0
        assert "beep.txt" in capsys.readouterr().out
    assert main(["report", str(run)]) == 0
    assert "final/accuracy" in capsys.readouterr().out


def test_its_back_end_quantizes(tmp_path):
    run = tmp_path / "int8"
    chosen = ("quantization=ptq_static", "quantization/backend=ear_chip", "stages=[fit,test,compress,test]")
    assert main([*BEEPS, *chosen, f"hydra.run.dir={run}"]) == 0
    assert result_of(run)["metrics"]["compressed/int8_operators"] == 1


def test_a_sweep_of_two_jobs(tmp_path, capsys):
    sweep = tmp_path / "sweep"
    assert main(["-m", *BEEPS, "pruning=none,first_inputs", "stages=[fit,test]", f"hydra.sweep.dir={sweep}"]) == 0
    assert [result_of(sweep / str(number))["status"] for number in (0, 1)] == ["done", "done"]
    capsys.readouterr()
    assert main(["report", str(sweep)]) == 0
    assert "first_inputs" in capsys.readouterr().out
