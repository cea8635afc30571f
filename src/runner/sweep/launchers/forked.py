"""A job as the fork of a process that has imported everything: a process of its own without the seconds of a start."""

import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from runner.sweep.launchers.subprocess import OWN
from runner.tracking.links import unlink_copies
from runner.tracking.signals import PARENT

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["runner.sweep.launchers.preloaded"])


def start(arguments: list[str], console: Path, share: Mapping[str, str]) -> ForkServerProcess:
    """Start what `python -m runner ARGUMENTS` does; the process's exitcode is its exit status.

    Args:
        console: the file its output is appended to.
        share: what it gets beside this process's environment.
    """
    console.parent.mkdir(parents=True, exist_ok=True)
    unlink_copies(console.parent, [console.name])
    inherited = {name: value for name, value in os.environ.items() if name not in (*OWN, PARENT)}
    process = CONTEXT.Process(target=job, args=(arguments, str(console), {**inherited, **share}))
    process.start()
    return process


def job(arguments: list[str], console: str, environment: dict[str, str]) -> None:
    """The forked process from its first line to its exit."""
    os.setsid()  # a Ctrl-C reaches the sweep alone, which passes it on once
    threading.Thread(target=end_with_sweep, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [sys.argv[0], *arguments]  # Lightning starts further ranks by it
    with Path(console).open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)

    import torch

    # The libraries counted the cores when they were imported, before anybody knew of shares.
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    runpy.run_module("runner", run_name="__main__", alter_sys=True)


def end_with_sweep() -> None:
    """End this process as SIGTERM does when the sweep dies, however it dies."""
    sweep = multiprocessing.parent_process()
    assert sweep is not None
    wait([sweep.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
