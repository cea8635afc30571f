"""Jobs one after another in this process: nothing to start, nothing to import again."""

import gc
import os
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace

from runner.errors import EXIT_USER_ERROR, RunnerError
from runner.sweep.launchers.work import Work
from runner.tracking.links import unlink_copies


class InProcess:
    """Runs a job when it is submitted. A signal stops the job and the sweep."""

    def __init__(self, jobs: int = 1) -> None:
        if jobs != 1:
            raise RunnerError(f"launcher.jobs={jobs}: in one process runs one job; add launcher=processes.")
        self.jobs = 1

    def submit(self, work: Work) -> "Future[int]":
        """Run the job to its end; the future returned is done."""
        future: Future[int] = Future()
        with surroundings(work):
            future.set_result(run(work))
        gc.collect()
        # What the libraries brought along stays; without it the next collection is far faster.
        gc.freeze()
        return future

    def stop(self, signal: int) -> None:
        """Nothing runs while somebody can call this."""

    def close(self) -> None:
        """Nothing is held."""


def run(work: Work) -> int:
    """Return the job's exit status; its output, tracebacks included, is in its console.log."""
    from runner.run.going_on import go_on
    from runner.run.launch import execute

    try:
        if work.composed is None:
            go_on(work.directory)
            return 0
        overrides = [*work.composed.overrides, f"hydra.run.dir={work.directory}"]
        execute(replace(work.composed, run_directory=work.directory, overrides=overrides))
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextmanager
def surroundings(work: Work) -> Iterator[None]:
    """Output goes to the job's log; the command line is the job's own, for Lightning starts further ranks by it."""
    work.directory.mkdir(parents=True, exist_ok=True)
    unlink_copies(work.directory, [work.console.name])
    arguments, environment = sys.argv, dict(os.environ)
    sys.argv = [arguments[0], *work.arguments]
    try:
        with (
            work.console.open("a", encoding="utf-8", buffering=1) as log,
            redirect_stdout(log),
            redirect_stderr(log),
        ):
            yield
    finally:
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(environment)
