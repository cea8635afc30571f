"""Start one run in a directory of its own, and show what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from omegaconf import DictConfig

from runner.config import plugins
from runner.config.compose import Composed
from runner.tracking import run_directory
from runner.tracking.result import RunResult
from runner.tracking.run_directory import RunDirectory
from runner.tracking.signals import handled


def execute(composed: Composed) -> RunResult:
    """Return one run in a directory of its own."""
    exactly = any(each.startswith("hydra.run.dir=") for each in composed.overrides)
    with run_directory.created(
        composed.run_directory, composed.config, composed.overrides, composed.chosen, exactly=exactly
    ) as record:
        # The console appears before torch is imported: seconds in which the user can see what was chosen.
        from runner.tracking.console import show_choices

        if record.primary:
            show_choices(composed.chosen, composed.overrides, record.path, plugins.enabled())
        return do(composed.config, record)


def do(config: DictConfig, record: RunDirectory, *, resume: bool = False) -> RunResult:
    """Return the result of a run whose directory is held, and show it; its status is true from here on."""
    with summarized(record), handled() as signals, record.running():
        with signals.deferred():  # an import that is broken off may leave half a module
            from runner.run.run import run
            from runner.tracking.console import show_result
        result = run(config, record, resume=resume)
    if record.primary:
        show_result(result)
    return result


@contextmanager
def summarized(record: RunDirectory) -> Iterator[None]:
    """Write the page of a run when it ends, however it does."""
    try:
        yield
    finally:
        if record.primary:
            from runner.report.going_on.summary import write_summary

            write_summary(record.path)
