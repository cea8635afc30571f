"""The environment variable that forbids downloads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import RunnerError

VARIABLE = "RUNNER_OFFLINE"


def refuse_offline(what: str) -> None:
    """Raise RunnerError where downloads are forbidden; call it before one begins."""
    if os.environ.get(VARIABLE, "") not in ("", "0"):
        raise RunnerError(f"{what} is not there, and {VARIABLE} forbids to download it.")


@contextmanager
def offline() -> Iterator[None]:
    """Forbid downloads within this context, unless the variable says otherwise already."""
    before = os.environ.get(VARIABLE)
    os.environ.setdefault(VARIABLE, "1")
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
