"""Jobs side by side on this machine, each in a process of its own, with its share of the cores and the GPUs."""

import contextlib
import os
import queue
import shutil
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess

from runner.measure.machine import cores, quotas
from runner.sweep.launchers.forked import start
from runner.sweep.launchers.work import Work

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Processes:
    """At most `jobs` processes at a time. Threads only wait for them."""

    def __init__(self, jobs: int = 2) -> None:
        self.jobs = jobs
        self.pool = ThreadPoolExecutor(jobs)
        self.running: dict[int, ForkServerProcess] = {}
        self.stopping: int | None = None
        self.shares: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
        for share in shares(jobs, cores(), gpus()):
            self.shares.put(share)

    def submit(self, work: Work) -> "Future[int]":
        """Start the job as soon as one of the processes is free."""
        return self.pool.submit(self.run, work)

    def run(self, work: Work) -> int:
        """Run the job with a share that nobody else has meanwhile."""
        share = self.shares.get()
        try:
            self.running[work.number] = process = start(work.arguments, work.console, share)
            if self.stopping is not None:  # it started too late to hear of the signal
                send(self.stopping, process)
            process.join()
            return int(process.exitcode or 0)
        finally:
            self.running.pop(work.number, None)
            self.shares.put(share)

    def stop(self, signal: int) -> None:
        """Pass the signal on: jobs in training finish their batch and keep a checkpoint."""
        self.stopping = signal
        for process in list(self.running.values()):
            send(signal, process)

    def close(self) -> None:
        """Wait for the processes."""
        self.pool.shutdown(cancel_futures=True)


def send(signal: int, process: ForkServerProcess) -> None:
    """Send a signal to a process that may have ended meanwhile."""
    # Not asked whether it lives: two threads that ask at once would share one answer.
    assert process.pid is not None  # it was started
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal)


def shares(jobs: int, available: float, devices: list[str]) -> list[dict[str, str]]:
    """Return what each of `jobs` processes gets of the machine, as environment variables.

    Args:
        available: cores. As many threads as whole cores of a quota are what `share_cores` set, no wish of the user's.
    """
    threads = str(max(1, int(available / jobs)))
    chosen = str(max(1, int(available))) if quotas() else None
    wishes = {name: os.environ.get(name, threads) for name in THREADS}
    share = {name: threads if wish == chosen else wish for name, wish in wishes.items()}
    given = [dict(share) for _ in range(jobs)]
    if len(devices) > 1:
        for position, each in enumerate(given):
            each["CUDA_VISIBLE_DEVICES"] = devices[position % len(devices)]
    return given


def gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; asks the driver, not torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [each for each in visible.split(",") if each]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return [str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU")]
