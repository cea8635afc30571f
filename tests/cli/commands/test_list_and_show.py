"""list and show: what can be chosen, and one choice in full."""

import pytest

from runner.cli.main import main
from runner.config import catalog

KNOWN = catalog.choices([catalog.own_config_directory()])


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_all_groups_are_listed_with_their_choices(capsys):
    assert main(["list"]) == 0
    listed = dict(line.split(maxsplit=1) for line in lines(capsys))
    assert listed == {group: ", ".join(choices) for group, choices in KNOWN.items()}


def test_a_group_is_listed_with_the_first_line_of_each_header(capsys):
    assert main(["list", "optimizer"]) == 0
    listed = dict(line.split(maxsplit=1) for line in lines(capsys))
    assert listed == {name: choice.what for name, choice in KNOWN["optimizer"].items()}


def test_a_pattern_chooses(capsys):
    assert main(["list", "model", "*net"]) == 0
    assert [line.split()[0] for line in lines(capsys)] == ["chebnet", "googlenet", "resnet", "unet"]


def test_data_and_networks_are_listed_with_their_kind(capsys):
    assert main(["list", "data", "*ra*"]) == 0
    kinds = [line.rsplit(maxsplit=1)[1] for line in lines(capsys)]
    assert kinds == [
        "[graph]",
        "[graphs]",
        "[graph]",
        "[image]",
        "[graph]",
    ]
    assert main(["list", "model", "gcn"]) == 0
    assert lines(capsys)[0].endswith("[graph]")


def test_a_long_header_is_wrapped_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    assert main(["list", "model", "cnn"]) == 0
    shown = lines(capsys)
    assert len(shown) > 1
    assert all(len(line) <= 50 for line in shown)
    assert " ".join(" ".join(shown).split()) == f"cnn {KNOWN['model']['cnn'].what} [image]"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "modle"], "modle: there is no such group. Did you mean mode, model? Known: augmentation, "),
        (["list", "model", "zz*"], "model zz*: nothing matches; there are chebnet, "),
        (["show", "model/resnt"], "model/resnt: there is no such choice. Did you mean model/resnet"),
        (["show", "resnet"], "resnet: there is no such choice."),
        (["list", "--config-dir", "nowhere"], "--config-dir nowhere: there is no such directory."),
    ],
)
def test_what_is_not_there_is_named(arguments, words, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {words}")


@pytest.mark.parametrize("choice", ["model/resnet", "experiment/diabetes"])
def test_show_prints_the_file(choice, capsys):
    assert main(["show", choice]) == 0
    group, name = choice.split("/")
    assert capsys.readouterr().out == KNOWN[group][name].path.read_text()


def test_the_users_own_choices_are_listed_and_shown(tmp_path, monkeypatch, capsys):
    for folder in ("conf", "further"):
        (tmp_path / folder / "model").mkdir(parents=True)
        (tmp_path / folder / "model" / f"in_{folder}.yaml").write_text(f"# A net of {folder}\n# b\n# c\n")
    monkeypatch.chdir(tmp_path)
    assert main(["list", "model", "in_*", "--config-dir", "further"]) == 0
    assert [line.split(maxsplit=1) for line in lines(capsys)] == [
        ["in_conf", "A net of conf"],
        ["in_further", "A net of further"],
    ]
    assert main(["show", "model/in_further", "-cd", "further"]) == 0
    assert lines(capsys)[0] == "# A net of further"
