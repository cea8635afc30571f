"""smoke: every legal pair is a run, everything else is refused with its reason."""

import json
import os

import yaml

from runner.cli.commands.smoke import combinations
from runner.cli.main import main
from runner.compression.methods import GROUPS
from runner.config.catalog import own_config_directory
from runner.sweep.jobs import Planner

REPOSITORY = own_config_directory().parent


def test_every_legal_pair_and_every_way_to_compress_is_a_combination():
    planner = Planner(None)
    lines = list(combinations(planner, []))
    pairs = {tuple(line[:2]) for line in lines}
    assert {("model=resnet", "data=digits"), ("model=linear", "data=line")} <= pairs
    assert ("model=resnet", "data=line") not in pairs
    for group in GROUPS:
        choices = {text for line in lines for text in line if text.startswith(f"{group}=")}
        assert choices == {f"{group}={name}" for name in planner.known[group] if name != "none"}


def test_a_config_directory_of_ones_own_is_tried_as_well(tmp_path, monkeypatch, capsys):
    """A network of the user's runs on the data named; data that would be downloaded is refused, not failed."""
    folder = tmp_path / "mine" / "model"
    folder.mkdir(parents=True)
    own = (REPOSITORY / "conf" / "model" / "mlp.yaml").read_text()
    (folder / "small.yaml").write_text(own)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RUNNER_DATA", raising=False)
    monkeypatch.delenv("RUNNER_OFFLINE", raising=False)
    assert main(["smoke", "--config-dir", "mine", "model=small,tabular_mlp", "data=digits,cifar10,hours"]) == 0
    output = capsys.readouterr().out
    words = {" ".join(line.split()[:2]): line.split()[2] for line in output.splitlines() if line.startswith("model=")}
    assert words == {
        "model=small data=digits": "ran",
        "model=small data=cifar10": "refused",
        "model=tabular_mlp data=hours": "ran",
    }
    assert "  refused  model=small data=cifar10  " in output
    assert "RUNNER_OFFLINE forbids" in output
    assert "RUNNER_OFFLINE" not in os.environ
    assert "2 ran, 0 failed, 1 were refused" in output
    assert len(list(tmp_path.rglob("result.json"))) == 2


def test_a_run_that_breaks_is_a_failure(tmp_path, monkeypatch, capsys):
    from runner.stages import test

    def broken(*_):
        raise ZeroDivisionError("mine")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(test, "test", broken)
    assert main(["smoke", "model=linear", "data=line"]) == 1
    assert "0 ran, 1 failed" in capsys.readouterr().out
    (status,) = tmp_path.rglob("status.json")
    assert json.loads(status.read_text())["error"] == "ZeroDivisionError: mine"


def test_the_workflow_calls_what_the_makefile_offers():
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    targets = {line.split(":")[0] for line in (REPOSITORY / "Makefile").read_text().splitlines() if ":" in line}
    assert commands == ["make lint", "make test", "make smoke"]
    assert {command.removeprefix("make ") for command in commands} <= targets
