"""MLflow: a run as a run of MLflow's, the runs of a sweep nested in one; by default in a SQLite file."""

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock

from runner.tracking.loggers import DONE, FAILED, INTERRUPTED
from runner.tracking.run_directory import RunDirectory
from runner.tracking.services.mirror import Mirror
from runner.tracking.services.packages import SERVICES
from runner.tracking.services.rows import MetricRow
from runner.tracking.services.sent import Sent

# What `mlflow ui` opens in the same directory.
STORE = "mlflow.db"
SQLITE = "sqlite:///"
STATES = {DONE: "FINISHED", FAILED: "FAILED", INTERRUPTED: "KILLED"}
# MLflow's limits: entities of a request, characters of a value and of a tag.
METRICS, PARAMETERS, TAGS = 1000, 100, 100
LONGEST, LONGEST_TAG = 6000, 5000
# A server that is away is asked again for minutes otherwise.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
UNNAMEABLE = re.compile(r"[^\w/.\- ]")
PARENT, RUN_NAME = "mlflow.parentRunId", "mlflow.runName"


class MLflow(Mirror):
    """Settings are parameters, rows are metrics by step, and files are artifacts; `mlflow-skinny` suffices.

    Args:
        tracking_uri: a store or server; None for MLFLOW_TRACKING_URI, else `mlflow.db` in the working directory.
        experiment: the name of MLflow's experiment, which is made where there is none.
    """

    extra: ClassVar[str] = "mlflow"
    title, module = SERVICES["mlflow"]

    def __init__(
        self, directory: str, tracking_uri: str | None = None, experiment: str = "runner", artifacts: bool = True
    ) -> None:
        super().__init__(directory, artifacts)
        self.tracking_uri, self.experiment = tracking_uri, experiment
        self.client: Any = None

    @property
    def store(self) -> str:
        """Where runs are kept."""
        return self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{Path(STORE).resolve()}"

    @property
    def again(self) -> str:
        return f" logger=mlflow logger.mlflow.tracking_uri={self.tracking_uri}" if self.tracking_uri else ""

    def begin(self, known: str) -> str:
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        for talkative in ("mlflow", "alembic"):
            logging.getLogger(talkative).setLevel(logging.WARNING)
        with self._alone():
            self.client = MlflowClient(self.store)
            if known and self._goes_on(known):
                return known
            experiment = self._experiment()
            tags = {RUN_NAME: self.label, "runner.directory": str(self.directory.resolve())}
            if self.sweep is not None:
                tags[PARENT] = self._parent(self.sweep, experiment)
            return str(self.client.create_run(experiment, tags=tags).info.run_id)

    def send_settings(self, settings: Mapping[str, Any]) -> None:
        from mlflow.entities import Param, RunTag

        wanted = {UNNAMEABLE.sub("_", key): str(value)[:LONGEST] for key, value in settings.items()}
        there = self.client.get_run(self.run).data.params
        # A parameter keeps its value; what a resumed run changed is a tag.
        changed = {key: value for key, value in wanted.items() if there.get(key, value) != value}
        for part in parts([Param(*each) for each in wanted.items() if each[0] not in there], PARAMETERS):
            self.client.log_batch(self.run, params=part)
        for part in parts([RunTag(f"resumed.{key}", value[:LONGEST_TAG]) for key, value in changed.items()], TAGS):
            self.client.log_batch(self.run, tags=part)

    def send_rows(self, rows: Sequence[MetricRow]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        for part in parts(rows, METRICS):
            metrics = [Metric(UNNAMEABLE.sub("_", row.metric), row.value, now, row.step or 0) for row in part]
            self.client.log_batch(self.run, metrics=metrics)

    def send_file(self, path: Path, name: str) -> None:
        folder = Path(name).parent.as_posix()
        self.client.log_artifact(self.run, str(path), None if folder == "." else folder)

    def end(self, state: str) -> None:
        self.client.set_terminated(self.run, STATES[state])

    def _alone(self) -> Any:
        """Return a context in which no other process makes or changes the tables of a SQLite file."""
        place = self.store.partition(SQLITE)[2]
        return FileLock(Path(place).with_name(f".{Path(place).name}.lock")) if place else nullcontext()

    def _goes_on(self, known: str) -> bool:
        """Return whether the store has a run, which then is under way again."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.update_run(known, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def _experiment(self) -> str:
        """Return the identifier of the experiment, which is made where there is none."""
        found = self.client.get_experiment_by_name(self.experiment)
        return str(found.experiment_id if found is not None else self.client.create_experiment(self.experiment))

    def _parent(self, sweep: Path, experiment: str) -> str:
        """Return the run that stands for a sweep; the first job of the sweep makes it."""
        with FileLock(sweep / ".tracking.lock"):
            record = RunDirectory(sweep)
            sent = Sent.read(record, self.extra)
            if not (sent.run and self._goes_on(sent.run)):
                tags = {RUN_NAME: sweep.name, "runner.directory": str(sweep)}
                sent = Sent(str(self.client.create_run(experiment, tags=tags).info.run_id))
                sent.write(record, self.extra)
            self.client.set_terminated(sent.run)  # it only holds the others together
            return sent.run


def parts(values: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """Yield the values, `size` at a time."""
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
