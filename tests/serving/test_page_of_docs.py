"""docs/serving.md says what works: the options of its commands exist, and the JSON it shows is understood."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from runner.serving import start

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    python -m runner (?:serve) (.*)$", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_its_commands_exist(command):
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("models", nargs="+")
    start.add_options(parser)
    start.options_from(parser.parse_args(shlex.split(command)))


def test_the_table_of_options_is_true():
    parser = argparse.ArgumentParser()
    start.add_options(parser)
    named = set(re.findall(r"`(--[a-z-]+)", PAGE[PAGE.index("## Load") : PAGE.index("## Who may ask")]))
    there = {each.option_strings[0] for each in parser._actions}
    assert named <= there
    assert there - named == {"-h", "--host", "--port"}
