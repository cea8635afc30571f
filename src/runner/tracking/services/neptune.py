"""Neptune: online where there is a token, else offline files in the working directory."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, ClassVar

from runner.tracking.services.mirror import Mirror
from runner.tracking.services.packages import SERVICES
from runner.tracking.services.rows import MetricRow


class Neptune(Mirror):
    """Settings, rows by step and files are fields of a run; the runs of a sweep share a tag.

    Offline what is told lies in `.neptune/` of the working directory, which `neptune sync` sends.

    Args:
        project: WORKSPACE/NAME; None for NEPTUNE_PROJECT.
    """

    extra: ClassVar[str] = "neptune"
    title, module = SERVICES["neptune"]

    def __init__(self, directory: str, project: str | None = None, artifacts: bool = True) -> None:
        super().__init__(directory, artifacts)
        self.project = project
        self.fields: Any = None

    @property
    def online(self) -> bool:
        """Whether there is a token."""
        return bool(os.environ.get("NEPTUNE_API_TOKEN"))

    @property
    def key(self) -> str:
        return self.extra if self.online else f"{self.extra}-offline"

    def begin(self, known: str) -> str:
        import neptune

        name = known or token_hex(8)
        self.fields = neptune.init_run(
            project=self.project,
            custom_run_id=name,
            name=self.label,
            tags=[self.sweep.name] if self.sweep is not None else None,
            mode="async" if self.online else "offline",
            capture_stdout=False,
            capture_stderr=False,
            capture_hardware_metrics=False,
            capture_traceback=False,
            git_ref=False,
            source_files=[],
        )
        return name

    def send_settings(self, settings: Mapping[str, Any]) -> None:
        self.fields["settings"] = {key.replace(".", "/"): str(value) for key, value in settings.items()}

    def send_rows(self, rows: Sequence[MetricRow]) -> None:
        for row in rows:
            if row.step is None:
                self.fields[f"final/{row.metric}"] = row.value
            else:
                self.fields[f"metrics/{row.metric}"].append(row.value, step=row.step)

    def send_file(self, path: Path, name: str) -> None:
        self.fields[f"files/{name.replace('.', '_')}"].upload(str(path))

    def end(self, state: str) -> None:
        self.fields["state"] = state
        self.fields.stop()
