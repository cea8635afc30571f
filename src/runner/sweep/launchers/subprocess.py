"""A job in a process of its own: its memory goes back, its crash is its own, and devices need no second sweep."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.config.plugins import is_plugins
from runner.tracking import layout, lock
from runner.tracking.links import unlink_copies
from runner.tracking.result import read_entries
from runner.tracking.run_directory import ENVIRONMENT_VARIABLE
from runner.tracking.signals import PARENT

# What this process may have been told about its own run is none of the job's business.
OWN = (ENVIRONMENT_VARIABLE, "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# Between two looks at a run that still goes on elsewhere.
SECONDS = 0.5
_running: set[int] = set()


def run_apart(
    arguments: list[str],
    console: Path,
    environment: Mapping[str, str],
) -> int:
    """Run `python -m runner ARGUMENTS` to its end and return its exit status.

    Args:
        console: the file its output is appended to.
        environment: what it gets beside this process's environment.
    """
    console.parent.mkdir(parents=True, exist_ok=True)
    unlink_copies(console.parent, [console.name])
    inherited = {name: value for name, value in os.environ.items() if name not in OWN}
    with console.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**inherited, **environment, PARENT: str(os.getpid())},
            # A Ctrl-C reaches the sweep alone, which passes it on once.
            start_new_session=True,
        )
    _running.add(process.pid)
    try:
        return process.wait()
    except BaseException:  # a cluster takes the job back
        process.terminate()
        process.wait()
        raise
    finally:
        _running.discard(process.pid)


def run_or_go_on(arguments: list[str], anew: list[str], console: Path) -> int:
    """Run a job on a cluster, which may start it again elsewhere, and return its exit status.

    What an earlier start left in the run directory is gone on with, once the process that worked there has ended.

    Args:
        arguments: of `python -m runner`.
        anew: the same for where there is no run directory: an earlier start was on a machine whose disk is its own.
    """
    directory = console.parent
    while lock.is_held(directory):
        time.sleep(SECONDS)
    command = again(arguments, anew, directory)
    return 0 if command is None else run_apart(command, console, {})


def again(arguments: Sequence[str], anew: Sequence[str], directory: Path) -> list[str] | None:
    """Return the command for a job that may have been started before; None where it is done."""
    status = read_entries(directory / layout.STATUS)
    if not status or not (directory / layout.CONFIG).is_file():
        return list(anew)
    if status.get("state") == "done" and not (arguments[0] == "resume" and status.get("held")):
        return None
    return ["resume", str(directory), *filter(is_plugins, anew)]


class ClusterJob:
    """What a cluster is given that tells a job before it takes its machine away: it ends in time, and goes on later."""

    def __call__(self, arguments: list[str], anew: list[str], console: Path) -> int:
        """Run it, or go on with it, and return its exit status."""
        return run_or_go_on(arguments, anew, console)

    def checkpoint(self, *arguments: Any) -> Any:
        """Let the run keep its state, and return the job to be started again; submitit calls this."""
        from submitit.helpers import DelayedSubmission

        end_runs()
        return DelayedSubmission(self, *arguments)


def end_runs() -> None:
    """End the runs that this process waits for, as SIGTERM does, and return when they have ended.

    For handlers of signals, which break into that very wait.
    """
    for process in list(_running):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(process, signal.SIGTERM)
            os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
