"""Code of others runs only where a person named its package: no YAML file enables it."""

import shutil

import pytest

from runner.cli.main import main
from runner.config import plugins
from runner.config.compose import compose
from runner.errors import RunnerError

EVIL = "import pathlib\npathlib.Path('executed').touch()\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory of a stranger's, whose package leaves a file behind when it is imported."""
    (tmp_path / "evil").mkdir()
    for name in ("__init__", "net", "settings"):
        (tmp_path / "evil" / f"{name}.py").write_text(EVIL)
    monkeypatch.chdir(tmp_path)
    plugins.enable([])
    yield tmp_path
    plugins.enable([])


def refused(capsys, *arguments):
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert "only you can allow" in error and "runner.plugins=[evil]" in error
    return error


@pytest.mark.parametrize("command", [[], ["check"], ["-m"]])
@pytest.mark.parametrize("target", ["model", "pruning"])
def test_an_experiment_enables_nothing(place, capsys, command, target):
    node = {
        "model": "model:\n  _target_: evil.net.Net\n",
        "pruning": "pruning:\n  recipe:\n    _target_: evil.net.Net\n",
    }[target]
    path = place / "conf" / "experiment" / "nice.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"# @package _global_\nrunner:\n  plugins: [evil]\n{node}")
    refused(capsys, *command, "experiment=nice", *(["seed=1,2"] if command == ["-m"] else []))
    assert not (place / "executed").exists()


def test_a_sweeps_grid_enables_nothing(place, capsys):
    path = place / "conf" / "sweep" / "nice.yaml"
    path.parent.mkdir(parents=True)
    grid = ["+model.x=1,2", "runner.plugins=[evil]", "model._target_=evil.net.Net"]
    path.write_text(f"defaults: [default]\ngrid: {grid}\n")
    refused(capsys, "-m", "sweep=nice")
    assert not (place / "executed").exists()


@pytest.mark.parametrize("command", ["resume", "predict", "reproduce", "teacher"])
def test_a_run_directory_enables_nothing(place, capsys, digits_run, command):
    text = (digits_run / "config.yaml").read_text()
    assert "plugins: []" in text and "runner.models.cnn.CNN" in text
    run = place / "theirs"
    run.mkdir()
    for name in ("result.json", "overrides.yaml", "environment.json"):
        (run / name).write_text((digits_run / name).read_text())
    shutil.copytree(digits_run / "checkpoints", run / "checkpoints")
    (run / "status.json").write_text('{"state": "failed", "done": []}')
    (run / "config.yaml").write_text(
        text.replace("plugins: []", "plugins: [evil]").replace("runner.models.cnn.CNN", "evil.net.Net")
    )
    arguments = [command, str(run)]
    if command == "teacher":
        arguments = ["model=mlp", "distillation=logits", f"distillation.teacher={run}", "trainer.max_epochs=1"]
    assert str(run) in refused(capsys, *arguments)
    assert not (place / "executed").exists()


def test_what_a_person_names_is_enabled_for_one_command_line(tmp_path, monkeypatch):
    plugins.enable(["model=cnn", "runner.plugins=[one, 'two']"])
    assert plugins.enabled() == {"one": "the command line", "two": "the command line"}
    assert plugins.again() == " 'runner.plugins=[one,two]'"
    plugins.enable(["model=cnn"])
    assert plugins.enabled() == {} and plugins.again() == ""
    monkeypatch.delenv("RUNNER_SETTINGS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner" / "settings.yaml").write_text("plugins: [mine]\n")
    assert list(plugins.enabled()) == ["mine"]
    assert plugins.allowed(["mine"], "a file") == ["mine"]


@pytest.mark.parametrize("text", ["plugins: mine", "[mine]", "plugins: [1]", "plugins: [", "\x00"])
def test_a_settings_file_that_is_none_is_told(tmp_path, monkeypatch, text):
    monkeypatch.setenv("RUNNER_SETTINGS", str(tmp_path / "settings.yaml"))
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(RunnerError, match="must hold a list of packages"):
        plugins.enabled()


def test_composing_alone_enables_nothing():
    plugins.enable([])
    with pytest.raises(RunnerError, match="only you can allow"):
        compose(["runner.plugins=[torch]"])
