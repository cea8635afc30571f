"""Jobs as tasks of a Ray cluster."""

import io
import logging
import os
import tarfile
import uuid
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.sweep.launchers.subprocess import run_or_go_on
from runner.sweep.launchers.work import Work

# Holds a word for as long as a job runs; where it can be read, the run directory is one that machines share.
SHARED = ".shared"


class LostMachineError(Exception):
    """The machine is being lost beneath a job, which has to be done elsewhere."""


class RayCluster:
    """One task for each job, spread over the machines.

    A task whose machine is gone is started on another one: where both see the run directory, the run goes on from its
    last checkpoint; where they do not, it begins again, and its directory is brought back when it has ended.

    Args:
        retries: how often a job may lose its machine.
    """

    def __init__(
        self, address: str | None = None, jobs: int = 64, cpus: float = 1, gpus: float = 0, retries: int = 10
    ) -> None:
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
        options: Any = {"num_cpus": cpus, "num_gpus": gpus, "scheduling_strategy": "SPREAD"}
        again: Any = {"max_retries": retries, "retry_exceptions": [LostMachineError]}
        self.task = ray.remote(**options, **again)(task)

    def submit(self, work: Work) -> "Future[int]":
        """Queue the task; Ray starts it where there is room."""
        word = uuid.uuid4().hex
        work.directory.mkdir(parents=True, exist_ok=True)
        (work.directory / SHARED).write_text(word, encoding="utf-8")
        ref = self.task.remote(work.arguments, work.anew, str(work.console), str(Path.cwd()), word)
        self.refs.append(ref)
        future: Future[int] = Future()

        def ended(done: "Future[tuple[int, bytes]]") -> None:
            try:
                status, content = done.result()
                unpack(content, work.directory)
                (work.directory / SHARED).unlink(missing_ok=True)
                future.set_result(status)
            except BaseException as error:
                future.set_exception(error)

        ref.future().add_done_callback(ended)
        return future

    def stop(self, signal: int) -> None:
        """Take back what waits and ends what runs; their next start goes on from their last checkpoints."""
        for ref in self.refs:
            self.ray.cancel(ref, force=False)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self.ray.shutdown()


def task(arguments: list[str], anew: list[str], console: str, directory: str, word: str) -> tuple[int, bytes]:
    """Run a job on a machine of the cluster; return its exit status, and its run directory unless it is shared.

    Args:
        directory: the working directory of the sweep.
        word: what stands in the run directory where machines share it.

    Raises:
        LostMachineError: the machine's raylet is gone: the worker ends, and has killed the run before.
    """
    raylet = os.getppid()
    Path(directory).mkdir(parents=True, exist_ok=True)
    os.chdir(directory)
    run = Path(console).parent
    try:
        shared = (run / SHARED).read_text(encoding="utf-8") == word
    except OSError:
        shared = False
    status = run_or_go_on(arguments, anew, Path(console))
    if status and os.getppid() != raylet:  # there may be time left to report what is none of the run's doing
        raise LostMachineError(f"{directory}: status {status} on a machine that is lost")
    return status, b"" if shared else packed(run)


def packed(directory: Path) -> bytes:
    """Return the files of a run directory."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.add(directory, ".")
    return content.getvalue()


def unpack(content: bytes, directory: Path) -> None:
    """Put the files of a run directory where they belong; nothing where it is shared."""
    if content:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(directory, filter="data")
