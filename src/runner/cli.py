"""Which command is meant; imports nothing heavy, so that help, lists and mistakes are answered at once."""

import importlib
import sys
import traceback
from collections.abc import Sequence

from runner.config.resolvers import command_names
from runner.errors import EXIT_USER_ERROR, RunnerError, did_you_mean
from runner.tracking.signals import Interrupted

# What Hydra answers itself: help, the composed configuration, sweeps, shell completion.
HYDRA_FLAGS = {
    "--help",
    "-h",
    "--hydra-help",
    "--version",
    "--cfg",
    "-c",
    "--info",
    "-i",
    "--multirun",
    "-m",
    "--shell-completion",
    "-sc",
    "--resolve",
    "--package",
    "-p",
}


def entry() -> None:
    """The installed `runner` script."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit status: 0, 2 for a user's mistake, 130/143 after a signal."""
    try:
        return dispatch(list(arguments))
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        if "mode=debug" in arguments:
            traceback.print_exc()
        return EXIT_USER_ERROR
    except Interrupted as signal:
        print(f"{signal}; continue with: python -m runner resume RUN_DIRECTORY", file=sys.stderr)
        return signal.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


def dispatch(arguments: list[str]) -> int:
    """A bare first word is a sub-command; anything else is a run or Hydra's own business."""
    first = arguments[0] if arguments else ""
    if first in command_names():
        return int(importlib.import_module(f"runner.commands.{first}").main(arguments[1:]))
    if first and not first.startswith(("-", "+", "~")) and "=" not in first:
        known = command_names()
        raise RunnerError(f"{first}: there is no such command.{did_you_mean(first, known)} Known: {', '.join(known)}.")
    if any(argument.split("=")[0] in HYDRA_FLAGS for argument in arguments):
        from runner.launch import through_hydra

        return through_hydra(arguments)
    from runner.launch import single_run

    return single_run(arguments)
