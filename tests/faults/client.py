"""The preloaded process from outside: `Server.run` forks it once for each command line."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What became of a process: its exit status (negative: the signal that ended it), its output, operations, CPU."""

    status: int
    printed: str
    count: int
    cpu: float


class Server:
    """A preloaded process, warmed up by running `warm` once."""

    def __init__(self, directory: Path, *warm: Sequence[str]) -> None:
        self.directory = directory
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "TORCHINDUCTOR_COMPILE_THREADS": "1",
            "TORCHINDUCTOR_CACHE_DIR": str(directory / "inductor"),
            "RUNNER_SETTINGS": os.devnull,
            "RUNNER_CACHE": str(directory / "cache"),
            "PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY}",
            "PYTHONWARNINGS": "ignore",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", *(json.dumps(each) for each in warm)],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(directory / "server.log").open("wb"),
            text=True,
        )
        if self.line() != "ready":
            raise RuntimeError((directory / "server.log").read_text()[-3000:])

    def line(self) -> str:
        """The next line that the server answers with."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(self, arguments: Sequence[str], place: Path | None, at: int = 0, signal: int = 0) -> Outcome:
        """Run a command line in a fork, with a signal at operation `at` below `place` (see `hook.Fault`)."""
        request: dict[str, Any] = {
            "arguments": list(arguments),
            "place": "" if place is None else str(place),
            "at": at,
            "signal": signal,
            "console": str(self.directory / "console.log"),
            "directory": str(self.directory),
        }
        assert self.process.stdin is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return Outcome(**json.loads(self.line()))

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
