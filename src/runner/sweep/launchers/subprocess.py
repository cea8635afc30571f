"""A job in a process of its own: its memory goes back, its crash is its own, and devices need no second sweep."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from runner.tracking.run_directory import ENVIRONMENT_VARIABLE
from runner.tracking.signals import PARENT

# What this process may have been told about its own run is none of the job's business.
OWN = (ENVIRONMENT_VARIABLE, "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


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
    try:
        return process.wait()
    except BaseException:  # a cluster takes the job back
        process.terminate()
        process.wait()
        raise
