"""Jobs of a Slurm cluster, through submitit."""

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from runner.errors import RunnerError
from runner.sweep.launchers.subprocess import ClusterJob
from runner.sweep.launchers.work import Work


class Slurm:
    """One Slurm job for each job; every machine must see the working directory under the same path.

    Args:
        cluster: `slurm`, or `local` for processes on this machine.
        minutes: after which Slurm ends a job. It is told before, as when another job needs its place (by the signal of
            `SUBMITIT_PREEMPT_SIGNAL`, USR2 by default), keeps its state, is queued again, and goes on.
        requeues: how often a job whose time was over is queued again; after that it goes on when the sweep is started
            again.
    """

    def __init__(
        self,
        cluster: str = "slurm",
        jobs: int = 64,
        cpus: int = 4,
        gpus: int = 0,
        memory_gb: float = 8,
        minutes: float = 240,
        requeues: int = 10,
        partition: str | None = None,
    ) -> None:
        try:
            import submitit
        except ImportError:
            raise RunnerError(
                "launcher=slurm needs submitit, which is not installed: pip install 'runner[slurm]'"
            ) from None
        self.jobs = jobs
        self.pool = ThreadPoolExecutor(jobs)
        self.submitted: list[Any] = []
        try:
            self.executor = submitit.AutoExecutor(
                folder="outputs/submitit/%j", cluster=cluster, **{f"{cluster}_max_num_timeout": requeues}
            )
        except (RuntimeError, ValueError) as error:
            raise RunnerError(f"launcher.cluster={cluster}: {error}.") from None
        settings: dict[str, Any] = {
            "name": "runner",
            "timeout_min": minutes,
            "cpus_per_task": cpus,
            "gpus_per_node": gpus,
            "mem_gb": memory_gb,
        }
        if partition:
            settings["slurm_partition"] = partition
        self.executor.update_parameters(**settings)

    def submit(self, work: Work) -> "Future[int]":
        """Hand the job to Slurm; a thread waits for it."""
        job = self.executor.submit(ClusterJob(), work.arguments, work.anew, work.console.resolve())
        self.submitted.append(job)
        return self.pool.submit(wait, job)

    def stop(self, signal: int) -> None:
        """Cancel the jobs; their next start goes on from their last checkpoints."""
        for job in self.submitted:
            with contextlib.suppress(Exception):  # it may have ended meanwhile
                job.cancel()

    def close(self) -> None:
        """Wait for the threads."""
        self.pool.shutdown(cancel_futures=True)


def wait(job: Any) -> int:
    """Return the job's exit status; 1 where Slurm ended it."""
    try:
        return int(job.result())
    except Exception:
        return 1
