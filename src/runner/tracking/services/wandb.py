"""Weights & Biases: online where there is a key, else offline files in the working directory."""

import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from netrc import NetrcParseError, netrc
from pathlib import Path
from secrets import token_hex
from typing import Any, ClassVar
from urllib.parse import urlsplit

from runner.errors import RunnerError
from runner.tracking.loggers import DONE
from runner.tracking.services.mirror import Mirror
from runner.tracking.services.packages import SERVICES
from runner.tracking.services.rows import MetricRow

ONLINE, OFFLINE = "online", "offline"
# Among its files, those of the run; it has a config.yaml of its own.
RECORD = "record"
STEP = "trainer/global_step"
# Seconds until a server counts as away.
PATIENCE = 20.0


class WandB(Mirror):
    """Settings are the config, rows are the history by step, files are files; the runs of a sweep are a group.

    Offline every process leaves `wandb/offline-run-…` in the working directory (in the run directory its links would
    lead out, which resuming refuses), all with one identifier. Once there is a key, `python -m runner sync` sends the
    whole run.

    Args:
        project, entity: where the run is shown.
        mode: `online` or `offline`; None for WANDB_MODE, else online where there is a key.
    """

    extra: ClassVar[str] = "wandb"
    title, module = SERVICES["wandb"]

    def __init__(
        self,
        directory: str,
        project: str = "runner",
        entity: str | None = None,
        mode: str | None = None,
        artifacts: bool = True,
    ) -> None:
        super().__init__(directory, artifacts)
        if mode not in (None, ONLINE, OFFLINE):
            raise RunnerError(f"logger.wandb.mode={mode}: must be {ONLINE} or {OFFLINE}.")
        self.project, self.entity, self.given = project, entity, mode
        self.history: Any = None

    @cached_property
    def mode(self) -> str:
        """Where the run goes."""
        return self.given or os.environ.get("WANDB_MODE") or (ONLINE if has_key() else OFFLINE)

    @property
    def key(self) -> str:
        return self.extra if self.mode == ONLINE else f"{self.extra}-offline"

    def begin(self, known: str) -> str:
        import wandb

        quiet = {"console": "off", "silent": True, "x_disable_stats": True, "disable_code": True, "disable_git": True}
        self.history = wandb.init(
            project=self.project,
            entity=self.entity,
            id=known or token_hex(4),
            name=self.label,
            group=self.sweep.name if self.sweep is not None else None,
            mode="online" if self.mode == ONLINE else "offline",
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(init_timeout=PATIENCE, **quiet),
        )
        self.history.define_metric(STEP)
        self.history.define_metric("*", step_metric=STEP)
        return str(self.history.id)

    def send_settings(self, settings: Mapping[str, Any]) -> None:
        self.history.config.update(dict(settings), allow_val_change=True)

    def send_rows(self, rows: Sequence[MetricRow]) -> None:
        for (step, epoch), some in groupby(rows, lambda row: (row.step, row.epoch)):
            values: dict[str, Any] = {row.metric: row.value for row in some}
            if step is None:
                self.history.summary.update(values)
            else:
                self.history.log({**values, STEP: step, **({} if epoch is None else {"epoch": epoch})})

    def send_file(self, path: Path, name: str) -> None:
        # Left to itself it makes links, which would lead nowhere once the run directory is moved.
        copy = Path(self.history.dir) / RECORD / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        self.history.save(str(copy), base_path=self.history.dir, policy="now")

    def end(self, state: str) -> None:
        self.history.finish(exit_code=int(state != DONE))


def has_key() -> bool:
    """Return whether the environment or a .netrc file has a key for the server; nobody is asked, nothing is sent."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    import wandb

    host = urlsplit(os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url).hostname or ""
    try:
        return netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False
