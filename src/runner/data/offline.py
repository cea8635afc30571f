"""The environment variable that forbids downloads."""

import os

from runner.errors import RunnerError

VARIABLE = "RUNNER_OFFLINE"


def refuse_offline(what: str) -> None:
    """Raises RunnerError where downloads are forbidden; call it before one begins."""
    if os.environ.get(VARIABLE, "") not in ("", "0"):
        raise RunnerError(f"{what} is not there, and {VARIABLE} forbids to download it.")
