"""Mirror: a tracking service that is told what a run directory holds, part by part, never what may be taken back."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any, ClassVar

from pytorch_lightning.utilities import rank_zero_only

from runner.errors import RunnerError
from runner.tracking import layout
from runner.tracking.identity import flatten
from runner.tracking.loggers import MetricsFile, MirrorLogger
from runner.tracking.notices import Notice, tell
from runner.tracking.result import read_entries
from runner.tracking.run_directory import RunDirectory
from runner.tracking.services.packages import lacking
from runner.tracking.services.rows import MetricRow, rows_between
from runner.tracking.services.sent import Sent

# What of a run directory is sent beside its artifacts.
FILES = (layout.CONFIG, layout.OVERRIDES, layout.ENVIRONMENT, layout.RESULT, layout.REPORT)
# Of what a library says where it fails, so many characters are told.
SAID = 200


class Mirror(MirrorLogger):
    """A tracking service that is told of a run.

    The run directory is the record: what was kept there (rows of metrics.csv up to the last checkpoint or stage, files
    that are whole) is sent, and `tracking.json` says how far that went. So a run that is killed and resumed goes on in
    the same run of the service with no row twice, and what a service that was away has missed is sent later.

    A subclass says how one service takes it; its methods may raise whatever its library raises.

    Attributes:
        title, module, extra: of the service: its name, the module that it needs, and the extra that installs that.
        directory: of the run.
        away: whether the service failed; then nothing more is sent by this process.
        run: what the service calls the run; "" before it is begun.
    """

    title: ClassVar[str]
    module: ClassVar[str]
    extra: ClassVar[str]

    def __init__(self, directory: str, artifacts: bool = True) -> None:
        """Raise RunnerError where the service's package is not installed; nothing is begun yet."""
        super().__init__()
        if missing := lacking(self.title, self.module, self.extra):
            raise RunnerError(missing)
        self.directory, self.artifacts = Path(directory), artifacts
        self.away, self.run = False, ""

    @abstractmethod
    def begin(self, known: str) -> str:
        """Begin a run, or go on with the known one where there is one ("" for none); return what it is called."""

    @abstractmethod
    def send_settings(self, settings: Mapping[str, Any]) -> None:
        """Send the configuration, by dotted keys; of a run that goes on it may have changed."""

    @abstractmethod
    def send_rows(self, rows: Sequence[MetricRow]) -> None:
        """Send values of metrics."""

    @abstractmethod
    def send_file(self, path: Path, name: str) -> None:
        """Send a file under a name, in which slashes are folders; one of that name is replaced."""

    @abstractmethod
    def end(self, state: str) -> None:
        """Say that the run ended: `done`, `failed` or `interrupted`."""

    @property
    def key(self) -> str:
        """What `tracking.json` calls the place that is told."""
        return self.extra

    @property
    def label(self) -> str:
        """What people know the run by: its directory, of a job below that of its sweep."""
        own = self.directory.resolve()
        return own.name if self.sweep is None else f"{self.sweep.name}/{own.name}"

    @property
    def again(self) -> str:
        """What a later command adds to name the same place: of what a run directory names no service is told."""
        return ""

    @property
    def name(self) -> str:
        return self.extra

    @property
    def version(self) -> str:
        return self.run

    @property
    def sweep(self) -> Path | None:
        """The directory of the sweep that the run is a job of."""
        above = self.directory.resolve().parent
        return above if (above / layout.SWEEP).is_file() else None

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Log nothing: the configuration is sent from the run directory."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log nothing: rows of metrics.csv are sent once they hold."""

    @rank_zero_only
    def push(self, curves: MetricsFile, state: str = "") -> None:
        """Send what the run directory holds and was not sent yet.

        Args:
            curves: the rows that hold.
            state: how the run ended; "" while it goes on.
        """

        def send() -> None:
            self._send(RunDirectory(self.directory), curves)
            if state:
                self.end(state)

        self._attempt(send)

    @rank_zero_only
    def break_off(self, state: str) -> None:
        """Say that a run stopped before its end; rows behind what holds are not sent: resuming changes them."""
        if self.run:
            self._attempt(lambda: self.end(state))

    def _attempt(self, act: Callable[[], None]) -> None:
        """Ask something of the service; once that failed it is left alone, which is said once."""
        if self.away:
            return
        try:
            act()
        except Exception as error:  # whatever a client library raises where its server is away
            self.away = True
            said = " ".join(str(error).split())[:SAID]
            record = RunDirectory(self.directory)
            text = (
                f"{self.title} could not be told of this run ({type(error).__name__}: {said}). The run goes on and its "
                f"directory holds everything; later: python -m runner sync {quote(str(record.path))}{self.again}"
            )
            tell(record, [Notice("tracking", text, self.title)])

    def _send(self, record: RunDirectory, curves: MetricsFile) -> None:
        sent = Sent.read(record, self.key)
        if not self.run:
            self.run = self.begin(sent.run)
            if sent.run != self.run:
                sent = Sent(self.run)
                sent.write(record, self.key)
            self.send_settings(flatten(record.plain_config()))
        if rows := rows_between(curves.path, sent.bytes, curves.size):
            self.send_rows(rows)
            sent.bytes = curves.size
            sent.write(record, self.key)
        for name, path in files_of(record, artifacts=self.artifacts):
            if sent.is_new(name, path):
                if name == layout.RESULT:
                    self.send_rows(rows_of_result(path, curves))
                self.send_file(path, name)
                sent.note(name, path)
                sent.write(record, self.key)


def files_of(record: RunDirectory, *, artifacts: bool) -> Iterator[tuple[str, Path]]:
    """Yield the files of a record that are there and whole, with the names that services know them by."""
    names = list(FILES)
    if artifacts:
        names += [str(each["path"]) for each in record.status.get("artifacts", {}).values()]
    for name in dict.fromkeys(names):
        if (path := record.path / name).is_file():
            yield name, path


def rows_of_result(path: Path, curves: MetricsFile) -> list[MetricRow]:
    """Return what result.json has measured that metrics.csv has not: sizes, gains, what is compared in the end."""
    known = {row.metric for row in rows_between(curves.path, 0, curves.size)}
    metrics = read_entries(path).get("metrics", {})
    return [
        MetricRow(None, None, name, float(value))
        for name, value in metrics.items()
        if name not in known and value is not None
    ]
