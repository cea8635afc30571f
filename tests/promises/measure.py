"""One data set's own command, seed by seed: what it reaches, and what it noticed."""

import json
from pathlib import Path

from runner.cli.main import main
from tests.promises import Promise

ALWAYS = ("trainer=cpu", "logger=none")


def measure(promise: Promise, seed: int, directory: Path, *more: str) -> tuple[float, list[str]]:
    """Run it into `directory`; return the promised metric and the kinds of the notices."""
    status = main([*promise.overrides, *ALWAYS, *more, f"seed={seed}", f"hydra.run.dir={directory}"])
    if status:
        raise SystemExit(f"{' '.join(promise.overrides)}: exit status {status}")
    result = json.loads((directory / "result.json").read_text())
    return result["metrics"][promise.metric], [each["kind"] for each in result["warnings"]]
