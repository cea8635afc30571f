"""The best run of a search as an experiment file, ready to be run again."""

from shlex import quote
from typing import Any

import yaml

from runner.config import overrides
from runner.config.catalog import Known
from runner.files import write_text
from runner.sweep.record import Sweep
from runner.tracking.console import shortest


def write_experiment(sweep: Sweep, number: int, value: str, known: Known) -> str:
    """Write `conf/experiment/best.yaml` into the sweep's directory; returns the command that runs it."""
    place = sweep.path / "conf" / "experiment"
    place.mkdir(parents=True, exist_ok=True)
    directory = shortest(sweep.path.resolve() / "conf")
    command = f"python -m runner --config-dir {quote(str(directory))} experiment=best"
    write_text(place / "best.yaml", experiment(sweep.entries[number].overrides, known, command, value))
    return command


def experiment(texts: list[str], known: Known, command: str, value: str) -> str:
    """Overrides as an experiment file: choices in its defaults list, keys below."""
    parsed, _ = overrides.parse(texts)
    experiments = [each for each in parsed if each.key == "experiment"]
    choices = [each for each in parsed if each.key in known and each.key != "experiment"]
    defaults: list[Any] = [{"/experiment@_global_": each.value} for each in experiments]
    defaults += [{f"override /{each.key}": each.value} for each in choices]
    keys: dict[str, Any] = {}
    for each in parsed:
        if each.key not in known:
            nest(keys, each.key.split("."), each.value)
    header = [
        "# @package _global_",
        "# The best settings that a search found",
        f"# {command}",
        f"# Expect {value}",
    ]
    content = {"defaults": defaults, **keys} if defaults else keys
    return "\n".join([*header, yaml.safe_dump(content, sort_keys=False)])


def nest(section: dict[str, Any], path: list[str], value: Any) -> None:
    """`section["a"]["b"] = value` for the path a, b."""
    *above, last = path
    for key in above:
        section = section.setdefault(key, {})
    section[last] = value
