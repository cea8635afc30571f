"""Comet: online where there is a key, else offline archives in the run directory."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from runner.tracking import layout
from runner.tracking.services.mirror import Mirror
from runner.tracking.services.packages import SERVICES
from runner.tracking.services.rows import MetricRow


class Comet(Mirror):
    """Settings are parameters, rows are metrics by step, files are assets.

    Offline every process leaves an archive in `comet/` of the run directory, which `comet upload` sends.

    Args:
        project, workspace: where the run is shown.
    """

    extra: ClassVar[str] = "comet"
    title, module = SERVICES["comet"]

    def __init__(
        self, directory: str, project: str = "runner", workspace: str | None = None, artifacts: bool = True
    ) -> None:
        super().__init__(directory, artifacts)
        self.project, self.workspace = project, workspace
        self.experiment: Any = None

    @property
    def online(self) -> bool:
        """Whether there is a key."""
        import comet_ml

        return bool(comet_ml.get_config("comet.api_key"))

    @property
    def key(self) -> str:
        return self.extra if self.online else f"{self.extra}-offline"

    def begin(self, known: str) -> str:
        os.environ.setdefault("COMET_LOGGING_CONSOLE", "ERROR")
        import comet_ml

        settings = comet_ml.ExperimentConfig(
            disabled=False,
            offline_directory=str(self.directory / layout.COMET),
            name=self.label,
            tags=[self.sweep.name] if self.sweep is not None else None,
            log_code=False,
            log_git_metadata=False,
            log_git_patch=False,
            log_env_details=False,
            display_summary_level=0,
            auto_output_logging=False,
        )
        self.experiment = comet_ml.start(
            online=self.online,
            project=self.project,
            workspace=self.workspace,
            experiment_key=known or None,
            mode="get_or_create" if known else "create",
            experiment_config=settings,
        )
        return str(self.experiment.get_key())

    def send_settings(self, settings: Mapping[str, Any]) -> None:
        self.experiment.log_parameters(dict(settings))

    def send_rows(self, rows: Sequence[MetricRow]) -> None:
        for row in rows:
            self.experiment.log_metric(row.metric, row.value, step=row.step, epoch=row.epoch)

    def send_file(self, path: Path, name: str) -> None:
        self.experiment.log_asset(str(path), file_name=name, overwrite=True)

    def end(self, state: str) -> None:
        self.experiment.log_other("state", state)
        self.experiment.end()
