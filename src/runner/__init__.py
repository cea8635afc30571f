"""Compose a configuration, train, test and compress what it names, and record what came of it.

From Python:

    import runner

    result = runner.run("model=mlp", "data=digits")
    network = runner.load(result.run_directory)
    table = runner.results("outputs")

Importing this imports nothing heavy; the first call does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.errors import RunnerError
    from runner.report.going_on.frame import results
    from runner.run.call import run
    from runner.run.loaded import Loaded, load
    from runner.sweep.call import sweep
    from runner.sweep.record import Sweep
    from runner.tracking.result import RunResult

__all__ = ["Loaded", "RunResult", "RunnerError", "Sweep", "load", "results", "run", "sweep"]

HOMES = {
    "Loaded": "runner.run.loaded",
    "RunResult": "runner.tracking.result",
    "RunnerError": "runner.errors",
    "Sweep": "runner.sweep.record",
    "load": "runner.run.loaded",
    "results": "runner.report.going_on.frame",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for; `run` and `sweep` are packages that can be called."""
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    if name in __all__:
        return import_module(f"runner.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return what a notebook completes."""
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
