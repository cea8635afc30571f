"""run.log: what libraries and the runner itself have to say, kept out of the user's sight."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from runner.tracking import layout
from runner.tracking.run_directory import RunDirectory

# Libraries that print through handlers of their own.
TALKATIVE = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric", "py.warnings")


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
