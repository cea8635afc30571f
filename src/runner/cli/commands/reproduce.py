"""python -m runner reproduce: run a finished run again and say whether the same came out."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner.cli.columns import say
from runner.config import content, plugins
from runner.config.recorded import recorded_config, tell_places
from runner.errors import RunnerError
from runner.files.reading import parse_json, read_bytes
from runner.run.changes import own
from runner.run.launch import do
from runner.tracking import layout, run_directory
from runner.tracking.identity import CONTENT, HISTORY
from runner.tracking.result import RunResult
from runner.tracking.run_directory import RunDirectory

DESCRIPTION = (
    "Runs a finished run again, with its own recorded configuration, in a directory of its own. Warns where revision, "
    "versions, machine or data are not what they were, and says whether the metrics came out equal, digit for digit."
)
EXAMPLE = "example:\n  python -m runner reproduce outputs/runs/2026-01-31/12-00-00-cnn-digits"
EXIT_DIFFERENT = 1
# Time and memory are never equal.
MEASURED = ("benchmark/",)
# What a stranger's name may not bring into the name of a directory.
UNNAMED = r"[^\w.+=,-]+|^\.+"
# Entries of environment.json that can decide a result.
DECISIVE = ("git", "python", "platform", "versions", "cpu", "threads", "gpus", "data")


def main(arguments: Sequence[str]) -> int:
    """Run it again and compare; 0 where all metrics are equal, else 1."""
    parser = argparse.ArgumentParser(
        "python -m runner reproduce",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_directory", type=Path)
    options = parser.parse_args(plugins.without(arguments))
    original = RunDirectory(options.run_directory)
    with recorded_config(original) as config:
        return reproduce(original, config)


def reproduce(original: RunDirectory, config: DictConfig) -> int:
    """Run a configuration again in a directory of its own, and print in what it differs from the original.

    Raises:
        RunnerError: the run has no result, asks for a plugin, or was resumed with other settings.
    """
    plugins.allowed(config.runner.plugins or [], str(original.path))
    if history := config.get(HISTORY):
        raise RunnerError(
            f"{original.path}: no single configuration made this run, it was resumed with other settings ({history}). "
            f"What it was before can be reproduced: {original.path / layout.EARLIER}"
        )
    expected = RunResult.load(original.path / layout.RESULT)
    if config.runner.get("hold") and not original.status.get("held"):
        config.runner.hold = []  # what was put off at first was done later
    before = config.data.get(content.KEY)
    if before is not None and (found := content.now(config.data)) is not None:
        config.data[content.KEY] = found
    OmegaConf.set_struct(config, True)
    tell_places(config)
    now = datetime.now()
    wanted = (
        Path("outputs") / "runs" / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}-{re.sub(UNNAMED, '-', expected.name)}-again"
    )
    with run_directory.created(wanted, config, overrides(original), expected.choices, exactly=False) as record:
        result = do(config, record)
    if not record.primary:
        return 0
    warnings = changes(recorded(original.path), recorded(record.path))
    if before != result.settings.get(CONTENT):
        warnings.append(f"{CONTENT} was {before}, is {result.settings.get(CONTENT)}")
    for line in warnings:
        say(f"warning: {line}")
    different = differences(expected.metrics, result.metrics)
    for line in different:
        say(line)
    compared = sum(not name.startswith(MEASURED) for name in expected.metrics)
    print(f"different: {len(different)} of {compared} metrics" if different else f"equal: all {compared} metrics")
    return EXIT_DIFFERENT if different else os.EX_OK


def overrides(record: RunDirectory) -> list[str]:
    """Return what the command line of the original said."""
    return own(record.overrides())


def recorded(path: Path) -> dict[str, Any]:
    """Return the environment that a run noted.

    Raises:
        RunnerError: it is missing or damaged.
    """
    try:
        return dict(parse_json(read_bytes(path / layout.ENVIRONMENT)))
    except (OSError, ValueError, TypeError) as error:
        raise RunnerError(f"{path / layout.ENVIRONMENT}: cannot be read ({error}).") from None


def changes(before: Mapping[str, Any], now: Mapping[str, Any], where: str = "") -> list[str]:
    """`versions.torch was 2.14.0, is 2.14.1` for all that can decide a result."""
    lines = []
    for key in sorted(before.keys() | now.keys()):
        if not where and key not in DECISIVE:
            continue
        old, new, name = before.get(key), now.get(key), f"{where}{key}"
        if isinstance(old, dict) and isinstance(new, dict):
            lines += changes(old, new, f"{name}.")
        elif old != new:
            lines.append(f"{name} was {old}, is {new}")
    if not where and isinstance(now.get("git"), dict) and now["git"].get("dirty"):
        lines.append("the checkout has uncommitted changes, which no revision names")
    return lines


def differences(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """`test/accuracy was 0.9871, is 0.9868` for every metric that is not exactly equal."""
    names = [name for name in sorted(before.keys() | now.keys()) if not name.startswith(MEASURED)]
    return [
        f"{name} was {before.get(name, 'absent')}, is {now.get(name, 'absent')}"
        for name in names
        if before.get(name) != now.get(name)
    ]
