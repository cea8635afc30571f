"""What is said of a run while it runs: its log, and notices, told once on the console and kept in its record."""

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from runner.tracking import layout
from runner.tracking.console import console
from runner.tracking.run_directory import RunDirectory

# Libraries that print through handlers of their own.
TALKATIVE = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric", "py.warnings")


@dataclass(frozen=True)
class Notice:
    """One thing that was noticed, in a sentence with its remedy.

    Attributes:
        kind: a word for programs: `dead_layer`, `constant_predictions`, `data`, …
        text: for people.
        about: what of the run it is about (a layer, a class), where one kind may be told of several.
    """

    kind: str
    text: str
    about: str = ""


def tell(record: RunDirectory, notices: Iterable[Notice], *, aloud: bool = True) -> None:
    """Add notices to the run's record and print them; what the record holds of a kind and subject is not told again.

    They lie in `status.json` at once, so that a run that fails or goes on after an interruption keeps them.
    """
    if not record.primary:
        return
    told = recorded(record)
    known = {(each["kind"], each.get("about", "")) for each in told}
    fresh = []
    for notice in notices:
        if (notice.kind, notice.about) not in known:
            known.add((notice.kind, notice.about))
            fresh.append(notice)
    if not fresh:
        return
    record.update_status(warnings=[*told, *map(asdict, fresh)])
    for notice in fresh if aloud else ():
        console.print(Text.assemble(("Notice  ", "bold yellow"), notice.text), soft_wrap=True)


def recorded(record: RunDirectory) -> list[dict[str, Any]]:
    """Return the notices that a run's record holds, as plain values."""
    found = record.status.get("warnings", [])
    return [each for each in found if isinstance(each, dict) and "kind" in each] if isinstance(found, list) else []


class LogFile(logging.FileHandler):
    """A log that does without what it can't write: a full disk ends the run where its results are written."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say nothing."""

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            super().close()


@contextmanager
def run_log(record: RunDirectory) -> Iterator[None]:
    """Send log records and warnings to `run.log` and nowhere else within this context; other ranks' nowhere."""
    handler: logging.Handler = logging.NullHandler()
    if record.primary:
        handler = LogFile(record.path / layout.LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    talkative = [logging.getLogger(name) for name in TALKATIVE]
    before = [(logger, logger.handlers[:], logger.propagate, logger.level) for logger in talkative]
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for logger in talkative:
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            yield
    except Exception:
        logging.getLogger(__name__).exception("The run failed.")
        raise
    finally:
        logging.captureWarnings(False)
        for logger, handlers, propagate, old in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(old)
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
