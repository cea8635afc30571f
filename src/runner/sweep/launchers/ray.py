"""Jobs as tasks of a Ray cluster."""

import logging
import os
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.sweep.launchers.subprocess import run_apart
from runner.sweep.launchers.work import Work


class RayCluster:
    """One task for each job; every machine must see the working directory under the same path."""

    def __init__(self, address: str | None = None, jobs: int = 64, cpus: float = 1, gpus: float = 0) -> None:
        try:
            import ray
        except ImportError:
            raise RunnerError("launcher=ray needs Ray, which is not installed: pip install 'runner[ray]'") from None
        self.jobs, self.ray = jobs, ray
        self.refs: list[Any] = []
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError) as error:
            raise RunnerError(f"launcher.address={address}: no Ray cluster answers there ({error}).") from None
        self.task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(task)

    def submit(self, work: Work) -> "Future[int]":
        """Queue the task; Ray starts it where there is room."""
        ref = self.task.remote(work.arguments, str(work.console), str(Path.cwd()))
        self.refs.append(ref)
        future: Future[int] = ref.future()
        return future

    def stop(self, signal: int) -> None:
        """Take back what waits and ends what runs; their next start goes on from their last checkpoints."""
        for ref in self.refs:
            self.ray.cancel(ref, force=False)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self.ray.shutdown()


def task(arguments: list[str], console: str, directory: str) -> int:
    """Return what runs on the cluster."""
    os.chdir(directory)
    return run_apart(arguments, Path(console), {})
