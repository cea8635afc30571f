"""Which command is meant; imports nothing heavy, so that help, lists and mistakes are answered at once."""

import importlib
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from shlex import quote

from runner.cli.standard_streams import with_streams
from runner.config import plugins
from runner.errors import EXIT_USER_ERROR, RunnerError, did_you_mean, system_trouble
from runner.files.text import visible
from runner.measure.machine import share_cores
from runner.run import lean_imports
from runner.tracking.signals import Interrupted, end_with_parent


def entry() -> None:
    """`python -m runner`, and the installed `runner` script."""
    share_cores()
    lean_imports.install()
    sys.exit(with_streams(lambda: main(sys.argv[1:])))


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status: 0, 2 for a user's mistake, 130/143 after a signal."""
    try:
        end_with_parent()
        return dispatch(list(arguments))
    except RunnerError as error:
        if "mode=debug" in arguments:
            import traceback

            traceback.print_exc()
        print(f"error: {visible(str(error))}", file=sys.stderr)
        return EXIT_USER_ERROR
    except Interrupted as signal:
        if signal.advice:
            print(f"{signal}; {signal.advice}", file=sys.stderr)
        elif signal.run_directory is not None:
            print(
                f"{signal}; continue with: python -m runner resume {quote(str(signal.run_directory))}{plugins.again()}",
                file=sys.stderr,
            )
        return signal.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if not (trouble := system_trouble(error)):
            raise
        print(f"error: {visible(f'{trouble}, and give the command again.')}", file=sys.stderr)
        return EXIT_USER_ERROR


def dispatch(arguments: list[str]) -> int:
    """Run a sub-command for a bare first word; anything else is a run, or Hydra's own business."""
    plugins.enable(arguments)
    first = arguments[0] if arguments else ""
    known = command_modules()
    if first in known:
        module = importlib.import_module(known[first])
        return int(module.main(arguments[1:]))
    if first and not first.startswith(("-", "+", "~")) and "=" not in first:
        raise RunnerError(f"{first}: there is no such command.{did_you_mean(first, known)} Known: {', '.join(known)}.")
    if {"--help", "-h"} & set(arguments):
        from runner.cli.help import usage

        print(usage([*known], config_dir(arguments)), end="")
        return 0

    from runner.cli.arguments import parse

    line = parse(arguments)
    if {*line.flags} == {"--multirun"}:
        from runner.sweep.sweep import sweep

        return sweep(line.overrides, line.config_dir, fresh=line.fresh)
    if line.flags:
        from runner.cli.hydra import through_hydra

        return through_hydra(line)

    from runner.config.compose import compose
    from runner.run.launch import execute

    execute(compose(line.overrides, line.config_dir))
    return 0


def command_modules() -> dict[str, str]:
    """Return the sub-commands with their modules: one for each file in or below `runner/cli/commands`."""
    folder = Path(__file__).resolve().parent / "commands"
    found = {}
    for path in folder.rglob("[!_]*.py"):
        dotted = ".".join(path.relative_to(folder).with_suffix("").parts)
        found[path.stem.replace("_", "-")] = f"runner.cli.commands.{dotted}"
    return dict(sorted(found.items()))


def config_dir(arguments: Sequence[str]) -> str | None:
    """Return the directory that stands behind --config-dir."""
    for flag, value in pairwise(arguments):
        if flag in ("--config-dir", "-cd"):
            return value
    return None
