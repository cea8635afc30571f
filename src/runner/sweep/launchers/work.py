"""Work: one job of a sweep as a launcher gets it, and what a launcher is."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from runner.config.compose import Composed

CONSOLE = "console.log"


@dataclass(frozen=True)
class Work:
    """One job to be run.

    Attributes:
        arguments: of `python -m runner`, for whoever runs it in a process of its own.
        compose: composes the same, for whoever runs it in this one; None for a run that is gone on with.
        anew: the same where nothing of the run is there, which `arguments` may go on with.
        directory: its run directory; what it prints goes into `console.log` there.
    """

    number: int
    arguments: list[str]
    directory: Path
    anew: list[str] = field(default_factory=list)
    compose: Callable[[], Composed | None] | None = field(default=None, repr=False)

    @cached_property
    def composed(self) -> Composed | None:
        """Its configuration; None for a run that is gone on with."""
        return self.compose() if self.compose is not None else None

    @property
    def console(self) -> Path:
        """Where its output goes."""
        return self.directory / CONSOLE


class Launcher(Protocol):
    """Runs jobs: at most `jobs` are given to it at a time."""

    jobs: int

    def submit(self, work: Work) -> "Future[int]":
        """Start a job, or runs it at once; the future holds its exit status."""

    def stop(self, signal: int) -> None:
        """Pass a signal on to the jobs that run."""

    def close(self) -> None:
        """Give back what the launcher holds."""
