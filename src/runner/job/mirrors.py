"""Tracking services of a run that is over: told afterwards what they have not been told."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.config import resolvers
from runner.config.compose import compose
from runner.config.recorded import recorded_config
from runner.errors import RunnerError
from runner.job.assemble import build_loggers
from runner.job.build import allowing
from runner.tracking import layout
from runner.tracking.identity import flatten
from runner.tracking.loggers import ENDS, INTERRUPTED, MetricsFile
from runner.tracking.run_directory import RunDirectory
from runner.tracking.services.mirror import Mirror


def catch_up(directory: Path, overrides: Sequence[str], config_dir: str | None) -> Iterator[tuple[str, bool]]:
    """Tell services of a run, and yield what each is called and whether it could be told.

    Args:
        overrides: `logger=…` and `logger.…=…` of the person's own; without them the run's recorded loggers are asked.

    Raises:
        RunnerError: the run goes on, is damaged, or has no logger that is a service.
    """
    record = RunDirectory(directory)
    with record.held(), recorded_config(record, recorded_keys(record) if overrides else ()) as config:
        chosen = compose(overrides, config_dir, to_run=False).config if overrides else config
        with resolvers.run_directory(record.path), allowing(config.runner.plugins or [], str(directory)):
            mirrors = [each for each in build_loggers(chosen) if isinstance(each, Mirror)]
        if not mirrors:
            raise RunnerError(f"{directory}: no tracking service was chosen for this run. Add one: logger=mlflow.")
        curves = MetricsFile(str(record.path / layout.METRICS))
        curves.resume(size_of(record))
        state = record.status.get("state")
        for mirror in mirrors:
            mirror.push(curves, state if state in ENDS else INTERRUPTED)
            yield mirror.title, not mirror.away


def recorded_keys(record: RunDirectory) -> list[str]:
    """Return the keys of a run's recorded loggers, which nothing is made of where the person chooses others."""
    return list(flatten({"logger": record.plain_config().get("logger") or {}}))


def size_of(record: RunDirectory) -> int | None:
    """Return how many bytes of metrics.csv hold: of a finished run all."""
    done = record.status.get("state") == "done"
    size = record.status.get("metrics_bytes")
    return None if done else int(size or 0)
