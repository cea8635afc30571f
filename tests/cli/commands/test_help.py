"""Every command explains itself with an example that can be typed."""

import re

import pytest

from runner.cli.main import command_modules, main
from runner.config import catalog


@pytest.mark.parametrize("command", command_modules())
def test_the_help_of_a_command_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    example = re.split("examples?:", text)[1].strip()
    assert example.startswith(f"python -m runner {command}")
    assert text.startswith(f"usage: python -m runner {command}")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_names_commands_groups_and_options(flag, capsys):
    assert main([flag]) == 0
    text = capsys.readouterr().out
    for command in command_modules():
        assert command in text
    for group, choices in catalog.choices([catalog.own_config_directory()]).items():
        assert f"{group}: {', '.join(choices)}\n" in text
    for option in ("--multirun", "--cfg", "--info", "--config-dir", "--shell-completion"):
        assert option in text
    assert str(catalog.own_config_directory().parent) not in text  # no path of this machine


def test_the_help_lists_the_users_own_choices(tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "my_own.yaml").write_text("# a\n# b\n# c\n")
    assert main(["model=cnn", "--config-dir", str(tmp_path), "--help"]) == 0
    assert "my_own" in capsys.readouterr().out


def test_an_unknown_command_modules_the_nearest(capsys):
    assert main(["verfy"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: verfy: there is no such command. Did you mean verify?")
