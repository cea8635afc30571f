"""A sweep from its command line to its last result."""

from collections.abc import Sequence

from omegaconf import OmegaConf

from runner.job.build import build
from runner.sweep.execution import Execution
from runner.sweep.goal import pursue
from runner.sweep.launchers.work import Launcher
from runner.sweep.plan import plan
from runner.sweep.record import DONE, Sweep
from runner.sweep.start import begin, enter, without_invalid
from runner.sweep.summary import show
from runner.tracking.console import console

EXIT_JOBS_FAILED = 1
# Seconds in which jobs are looked at before the first one starts; the others follow while it runs.
LOOKING = 2.0


def sweep(overrides: Sequence[str], config_dir: str | None, *, fresh: bool = False) -> int:
    """Run what `-m` asks for, show what came of it, and return the exit status; see `perform` and `close`."""
    return close(*perform(overrides, config_dir, fresh=fresh))


def perform(overrides: Sequence[str], config_dir: str | None, *, fresh: bool = False) -> tuple[Sweep, Execution]:
    """Run what `-m` asks for and return its record, with what carried it out.

    Args:
        overrides: of the command line, those with several values included.
        config_dir: a directory of the user's own with further choices.
        fresh: start anew although the same command began a sweep earlier.

    Raises:
        RunnerError: the command line has mistakes, combinations cannot run, or the configuration of a sweep that was
            begun earlier has changed.
        Interrupted: a signal arrived; the same command goes on.
    """
    planned = plan(overrides, config_dir)
    record = begin(planned, fresh=fresh)
    jobs, invalid = without_invalid(planned.jobs, planned.sweep["on_invalid"], LOOKING, record.turned_away())
    launcher: Launcher = build(OmegaConf.create({"launcher": planned.launcher}), "launcher")
    with record.locked():
        try:
            for each in invalid:
                console.print(f"left out  {each}", markup=False, soft_wrap=True)
            runner = Execution(planned, record, launcher)
            if planned.sweep["search"]:
                from runner.sweep.search import search

                search(planned, record, runner)
            else:
                runner.run(enter(record, jobs), pursue if planned.goal else None)
        finally:
            launcher.close()
            if record.entries:
                record.save()
    return record, runner


def close(record: Sweep, runner: Execution) -> int:
    """Show the table of all results, what failed, and how to see more; return the exit status: 1 where jobs failed."""
    entries = [record.entries[number] for number in runner.jobs]
    show(record, entries)
    undone = any(entry.state != DONE for entry in entries if entry.number not in runner.left_out)
    # A recipe that broke is an answer too, where another one was looked for and found.
    failed = not runner.goal_met if runner.planned.goal else undone
    return EXIT_JOBS_FAILED if failed else 0
