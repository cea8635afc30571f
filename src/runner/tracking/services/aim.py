"""Aim: a run in a repository of Aim's, by default `.aim` in the working directory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from runner.tracking.services.mirror import Mirror
from runner.tracking.services.packages import SERVICES
from runner.tracking.services.rows import MetricRow


class Aim(Mirror):
    """Settings are the run's parameters, rows are tracked by step; of files Aim keeps where they lie.

    Args:
        repository: None for AIM's default, `.aim` in the working directory.
    """

    extra: ClassVar[str] = "aim"
    title, module = SERVICES["aim"]

    def __init__(
        self, directory: str, repository: str | None = None, experiment: str = "runner", artifacts: bool = True
    ) -> None:
        super().__init__(directory, artifacts)
        self.repository, self.experiment = repository, experiment
        self.tracked: Any = None

    def begin(self, known: str) -> str:
        from aim import Run

        self.tracked = Run(
            run_hash=known or None,
            repo=self.repository,
            experiment=self.experiment,
            system_tracking_interval=None,
            log_system_params=False,
            capture_terminal_logs=False,
        )
        self.tracked.name = self.label
        if self.sweep is not None:
            self.tracked["sweep"] = self.sweep.name
        return str(self.tracked.hash)

    def send_settings(self, settings: Mapping[str, Any]) -> None:
        self.tracked["settings"] = {key: plain(value) for key, value in settings.items()}

    def send_rows(self, rows: Sequence[MetricRow]) -> None:
        for row in rows:
            split, _, metric = row.metric.rpartition("/")
            self.tracked.track(
                row.value, name=metric, step=row.step, epoch=row.epoch, context={"subset": split} if split else None
            )

    def send_file(self, path: Path, name: str) -> None:
        files = dict(self.tracked.get("files", {}))
        self.tracked["files"] = {**files, name: str(path.resolve())}

    def end(self, state: str) -> None:
        self.tracked["state"] = state
        self.tracked.close()


def plain(value: Any) -> Any:
    """Return a value that Aim can keep."""
    return value if isinstance(value, (str, int, float, bool, list)) or value is None else str(value)
