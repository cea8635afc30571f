"""python -m runner serve: answers over HTTP with what a run has exported."""

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner.cli.columns import say
from runner.config import plugins
from runner.errors import RunnerError
from runner.serving import start

DESCRIPTION = (
    "Answers over HTTP (files, JSON, Open Inference Protocol) with the fastest file that a run exported and measured, "
    "in worker processes of their own, until Ctrl-C or SIGTERM, at which requests under way are still answered."
)
EXAMPLE = "example:\n  python -m runner serve outputs/runs/2026-01-31/12-00-00-cnn-digits --port 8080"


def main(arguments: Sequence[str]) -> int:
    """Serve, until a signal comes."""
    parser = argparse.ArgumentParser(
        "python -m runner serve",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models", nargs="+", metavar="[NAME=]RUN", help="a run directory, or a file among its artifacts"
    )
    parser.add_argument("--format", help="onnx, openvino, aot, executorch, program, packed, or weights")
    parser.add_argument("--trust", action="store_true", help="load files although no result.json vouches for them")
    start.add_options(parser)
    parsed = parser.parse_args(plugins.without(arguments))
    options = start.options_from(parsed)
    start.need_packages()
    named = [split(each) for each in parsed.models]
    if missing := [str(path) for _, path in named if not path.exists()]:
        raise RunnerError(f"{', '.join(missing)}: there is no such run directory or artifact.")
    with start.listening(options.host, options.port) as listener:
        from runner.job.chosen import chosen
        from runner.tracking.environment import versions

        again = shlex.split(plugins.again())
        models = [
            replace(chosen(path, name=name, form=parsed.format, trust=parsed.trust), arguments=again)
            for name, path in named
        ]
        if told := start.sentence(options.host, os.environ.get(start.KEY)):
            say(told)
        return start.serve(models, options, versions().get("runner", "0"), listener)


def split(text: str) -> tuple[str | None, Path]:
    """Return the name that a model is given, and where it lies; what exists as a whole has no name before it."""
    name, sign, place = text.partition("=")
    return (name, Path(place)) if sign and name and "/" not in name and not Path(text).exists() else (None, Path(text))
