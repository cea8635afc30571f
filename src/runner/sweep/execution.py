"""Execution: the jobs of a sweep through a launcher, and the sweep's record kept true while they run."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

from runner.config.compose import Composed
from runner.config.plugins import is_plugins
from runner.errors import EXIT_USER_ERROR
from runner.sweep import testing
from runner.sweep.jobs import TEACHER, WEIGHTS, SweepJob, complete
from runner.sweep.launchers.work import Launcher, Work
from runner.sweep.plan import Plan
from runner.sweep.progress import Progress
from runner.sweep.record import DONE, FAILED, SKIPPED, Entry, Sweep
from runner.sweep.start import changes, note
from runner.tracking import layout
from runner.tracking.console import console, shortest
from runner.tracking.signals import Interrupted, handled

# Seconds at a time for jobs whose turn has not come.
MOMENT = 0.05
OF = {WEIGHTS: "whose weights it needs", TEACHER: "which is its teacher"}


class Execution:
    """Hands jobs to a launcher, as many at a time as it takes, and notes what comes of them."""

    def __init__(
        self, planned: Plan, record: Sweep, launcher: Launcher, outcome: Callable[[Entry], str] = attrgetter("state")
    ) -> None:
        self.planned, self.record, self.launcher = planned, record, launcher
        self.jobs: dict[int, SweepJob] = {}
        self.progress = Progress(record, self.jobs, outcome)
        # Jobs that others need, those that nobody looked at yet, those that cannot run, and those that are left out.
        self.needed: set[int] = set()
        self.ahead: Iterator[SweepJob] = iter(())
        self.turned_away: set[int] = set()
        self.left_out: set[int] = set()
        self.running: dict[Future[int], int] = {}
        self.tests: str = planned.sweep.get("test", testing.ALL)
        self.stopped = False
        self.goal_met = True
        # The jobs that the sweep was looking for, where something else than the table of results says so.
        self.chosen: list[int] | None = None

    def run(self, jobs: Sequence[SweepJob], dependents: "Dependents | None" = None) -> None:
        """Run all that have to; first those that others need.

        Args:
            dependents: runs the jobs that need another one; by default all of them do, in their order.
        """
        self.take(jobs)
        self.announce(len(jobs), sum(self.record.refresh(job.number) == DONE for job in jobs))
        with self.session():
            self.run_all([job for job in jobs if job.needs is None])
            if dependents is not None:
                dependents(self, jobs)
            else:
                self.run_all(ready for job in jobs if job.needs is not None and (ready := self.ready(job)))
            self.test_chosen()

    def take(self, jobs: Sequence[SweepJob]) -> None:
        """Make these the jobs of this sweep."""
        self.jobs.update({job.number: job for job in jobs})
        self.needed = {job.needs for job in jobs if job.needs is not None}
        self.ahead = (job for job in jobs if not job.is_judged and self.due(job))

    @contextmanager
    def session(self) -> Iterator[None]:
        """Within this context the progress is shown, and a signal ends what runs."""
        with handled(), self.progress.shown():
            try:
                yield
            except (Interrupted, KeyboardInterrupt) as signal:
                self.interrupt(signal)

    def announce(self, count: int, done: int) -> None:
        """Say where the sweep lies and how much of it is done already."""
        words = f"{count} runs in {shortest(self.record.path.resolve())}"
        console.print(f"{words}, {done} of them done" if done else words, soft_wrap=True)
        entries = self.record.entries
        if unseen := sum(not job.is_judged and entries[number].state != DONE for number, job in self.jobs.items()):
            console.print(f"{unseen:,} of them are looked at while others run: what cannot run fails then")

    def ready(self, job: SweepJob) -> SweepJob | None:
        """Return the job with what it takes of another; None where that is not done, or where the job has mistakes."""
        assert job.needs is not None
        if self.record.refresh(job.needs) != DONE:
            self.record.entries[job.number].state = SKIPPED
            self.record.entries[job.number].error = f"job {job.needs}, {OF[job.takes]}, is not done"
            if job.needs in self.left_out:
                self.left_out.add(job.number)
            return None
        if self.due(job) and not self.fits(job):
            return None
        ready = complete(job, self.record.directory(job.needs))
        self.jobs[job.number] = ready
        return ready

    def run_all(self, jobs: Iterable[SweepJob]) -> None:
        """Run jobs that need nothing of each other."""
        for job in jobs:
            while len(self.running) >= self.launcher.jobs:
                self.collect()
            if self.stopped:
                break
            if self.due(job) and (job.needs is not None or self.fits(job)):
                self.submit(job)
            while any(future.done() for future in self.running):
                self.collect()
        while self.running:
            self.collect()

    def test_chosen(self) -> None:
        """Do what finished runs put off, their test above all: of the winner, or of all, as `sweep.test` says."""
        if self.tests == testing.NONE or self.stopped:
            return
        numbers = list(self.jobs) if self.tests == testing.ALL else self.winner()
        left = [self.jobs[number] for number in numbers if self.untested(number)]
        for job in left:
            while len(self.running) >= self.launcher.jobs:
                self.collect()
            self.submit(job, go_on=True)
        while self.running:
            self.collect()

    def winner(self) -> list[int]:
        """Return the jobs that were chosen, or else those of the best row of results, and say which."""
        if self.chosen is not None:
            return self.chosen
        numbers, by = testing.best_row({number: self.record.directory(number) for number in self.jobs})
        titles = ", ".join(f"{number} ({self.record.entries[number].title})" for number in numbers)
        words = f"Winner: run {titles}, ranked by {by}" if numbers else "No run measured anything, so none is tested."
        console.print(words, markup=False, soft_wrap=True)
        return numbers

    def untested(self, number: int) -> bool:
        """Return whether a job is done but for what it put off, and that was the sweep's wish, not the user's."""
        if self.record.refresh(number) != DONE or not self.record.status(number).get("held"):
            return False
        plain = self.jobs[number].plain
        return plain is None or not plain["runner"].get("hold")

    def due(self, job: SweepJob) -> bool:
        """Return whether a job has to run: it is not done, and if it failed before, it is to be tried again."""
        state, settings = self.record.refresh(job.number), self.planned.sweep
        if state == DONE:
            return not settings["skip_done"]
        return bool(state != FAILED or settings["retry_failed"])

    def fits(self, job: SweepJob) -> bool:
        """Return whether a job can run; one with mistakes, or that is another one now, is noted as failed."""
        if job.mistakes:
            self.turn_away(job, " ".join(job.mistakes))
        elif not note(self.record, job):
            (change, *_) = changes(self.record, [job])
            self.turn_away(job, f"the configuration changed since this sweep was started ({change})")
        return job.number not in self.turned_away

    def turn_away(self, job: SweepJob, why: str) -> None:
        """Note once that a job cannot run, and why; whether that is a failure, `sweep.on_invalid` says."""
        if job.number in self.turned_away:
            return
        self.turned_away.add(job.number)
        entry = self.record.entries[job.number]
        entry.error, entry.exit_status = why, EXIT_USER_ERROR
        if self.planned.sweep.get("on_invalid") == "skip":
            entry.state = SKIPPED
            self.left_out.add(job.number)
        else:
            entry.state = FAILED
            self.stopped |= self.planned.sweep["on_error"] == "stop"
        self.progress.end(entry)
        self.record.save_soon()

    def look_ahead(self) -> bool:
        """Look at further jobs for a moment, so that their mistakes are told soon; return whether any are left."""
        until = time.monotonic() + MOMENT
        for job in self.ahead:
            if not job.is_judged and job.mistakes:
                self.fits(job)
            if time.monotonic() > until:
                return True
        return False

    def submit(self, job: SweepJob, *, go_on: bool = False) -> None:
        """Hand one job to the launcher; with `go_on` a finished one, to do what it put off."""
        self.progress.start(job)
        self.record.save_soon()
        future = self.launcher.submit(self.work(job, go_on=go_on))
        self.running[future] = job.number

    def work(self, job: SweepJob, *, go_on: bool = False) -> Work:
        """Return a run that began already goes on; any other starts anew."""
        directory, status = self.record.directory(job.number), self.record.status(job.number)
        held: list[str] = []
        if self.tests != testing.ALL and job.plain is not None:
            held = testing.held_stages(job.plain, needed=job.number in self.needed)
        arguments = [*job.overrides, *([testing.override(held)] if held else []), f"hydra.run.dir={directory}"]
        options = ["--config-dir", self.planned.config_dir] if self.planned.config_dir else []
        anew = [*options, *arguments]
        begun = (directory / layout.CONFIG).is_file()  # the last that a run writes before it can be resumed
        if begun and status and (go_on or status.get("state") != DONE):
            # In a process of its own it must be told again which packages somebody let run.
            enabled = [text for text in job.overrides if is_plugins(text)]
            return Work(job.number, ["resume", str(directory), *enabled], directory, anew)
        if status.get("state") == DONE:
            forget(directory)

        def compose() -> Composed | None:
            return testing.holding(job.composed, held) if held and job.composed is not None else job.composed

        return Work(job.number, anew, directory, anew, compose)

    def collect(self) -> list[Entry]:
        """Wait for the next jobs to end and note how they did; meanwhile look at others."""
        while self.look_ahead() and not any(future.done() for future in self.running):
            pass
        ended = wait(list(self.running), return_when=FIRST_COMPLETED).done
        return [self.finish(future) for future in ended]

    def finish(self, future: "Future[int]") -> Entry:
        """Note the end of one job; with on_error=stop a failure ends the sweep."""
        entry = self.record.ended(self.running.pop(future), exit_status(future))
        self.progress.end(entry)
        if entry.state == FAILED and self.planned.sweep["on_error"] == "stop":
            self.stopped = True
        return entry

    def interrupt(self, signal: BaseException) -> None:
        """End what runs, notes it, and passes the signal on."""
        number = signal.exit_status - 128 if isinstance(signal, Interrupted) else 2
        self.launcher.stop(number)
        while self.running:
            self.collect()
        for each in self.jobs:
            self.record.refresh(each)
        self.record.save()
        stopped = Interrupted(number)
        stopped.advice = f"{shortest(self.record.path.resolve())}: the same command goes on"
        raise stopped


def exit_status(future: "Future[int]") -> int:
    """Return a job's exit status; 1 where the launcher lost it."""
    error = future.exception()
    if error is None:
        return future.result()
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return 1


def forget(directory: Path) -> None:
    """Make room for a run that is to be done again: the old one moves aside."""
    number = 1
    while (aside := directory.with_name(f"{directory.name}.{number}")).exists():
        number += 1
    directory.rename(aside)


Dependents = Callable[[Execution, Sequence[SweepJob]], None]
