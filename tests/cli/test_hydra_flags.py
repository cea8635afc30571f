"""Hydra's flags do what its users expect, and mistakes beside them are explained by us."""

import logging
import weakref

import pytest

from runner.cli.main import main
from runner.config.catalog import own_config_directory


@pytest.fixture(autouse=True)
def hydras_traces(monkeypatch, tmp_path):
    """Hydra reads sys.argv and gives the root logger a handler; both are as they were afterwards.

    It closes the handlers of the whole process, which libraries opened on the streams that pytest listens to (NNCF).
    """
    monkeypatch.setattr(logging, "_handlerList", [])
    monkeypatch.setattr(logging, "_handlers", weakref.WeakValueDictionary())
    monkeypatch.setattr("sys.argv", ["runner"])
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def out(capsys, *arguments):
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_cfg_prints_the_configuration(capsys):
    text = out(capsys, "--cfg", "job", "model=cnn", "optimizer.lr=0.5")
    assert "_target_: runner.models.cnn.CNN" in text
    assert "lr: 0.5" in text
    assert "num_outputs: ${task.num_outputs}" in text


def test_cfg_resolves_and_prints_a_part(capsys):
    text = out(capsys, "-c", "job", "--resolve", "-p", "model", "data=mnist", "model=resnet")
    assert text.splitlines()[0] == "# @package model"
    assert "num_outputs: 10" in text
    assert "optimizer" not in text


def test_info_names_the_directories(capsys, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "more").mkdir()
    text = out(capsys, "--info", "searchpath", "--config-dir", "more")
    for folder in (own_config_directory(), tmp_path / "conf", tmp_path / "more"):
        assert f"file://{folder}" in text


def test_info_shows_the_defaults_tree(capsys):
    assert "config" in out(capsys, "--info", "defaults-tree", "model=mlp")


@pytest.mark.parametrize(("flag", "words"), [("--version", "Hydra 1.3"), ("--hydra-help", "Hydra (1.3")])
def test_the_version_and_hydras_help(capsys, flag, words):
    with pytest.raises(SystemExit):
        main([flag])
    assert capsys.readouterr().out.startswith(words)


def test_completion_is_installed_and_answers(capsys, monkeypatch):
    assert "complete -o nospace" in out(capsys, "-sc", "install=bash")
    monkeypatch.setenv("COMP_LINE", "runner model=goo")
    monkeypatch.setenv("COMP_POINT", str(len("runner model=goo")))
    assert out(capsys, "-sc", "query=bash").strip() == "model=googlenet"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cfg", "job", "modl=cnn"], "modl: there is no such group or key."),
        (["--cfg", "jb"], "argument --cfg/-c: invalid choice: 'jb'"),
        (["--cfg"], "argument --cfg/-c: expected one argument"),
        (["--config-dir"], "argument --config-dir/-cd: expected one argument"),
        (["--config-dir", "nowhere", "model=cnn"], "--config-dir nowhere: there is no such directory."),
        (["--confg-dir", "x"], "--confg-dir: there is no such option. See: python -m runner --help"),
        (["-x"], "-x: there is no such option."),
        (
            ["-m", "optimizer.lr=1,-1"],
            "1 of 2 combinations cannot run:\n  optimizer.lr=-1: optimizer.lr=-1: must be above 0.",
        ),
        (["model=cnn", "train"], "train: neither a command nor key=value."),
    ],
)
def test_a_mistake_beside_a_flag(arguments, words, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {words}")
