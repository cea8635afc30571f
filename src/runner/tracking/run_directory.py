"""The run directory: created once, written in whole files, readable while the run goes on."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner.errors import RunnerError
from runner.files import write_json, write_text
from runner.tracking import layout
from runner.tracking.renamed import up_to_date
from runner.tracking.signals import Interrupted

# Processes that one run starts for further devices find the directory of the first here.
ENVIRONMENT_VARIABLE = "RUNNER_RUN_DIRECTORY"


class RunDirectory:
    """One run on disk.

    Attributes:
        path: absolute path of the directory.
        primary: whether this process writes; the other ranks of a distributed run only read.
    """

    def __init__(self, path: Path, *, primary: bool = True) -> None:
        self.path = path.resolve()
        self.primary = primary

    @property
    def status(self) -> dict[str, Any]:
        """The content of status.json; empty where it is missing or damaged."""
        try:
            status = json.loads((self.path / layout.STATUS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return status if isinstance(status, dict) else {}

    def update_status(self, **changes: Any) -> None:
        """Change some entries of status.json, in one step."""
        if self.primary:
            write_json(self.path / layout.STATUS, {**self.status, **changes})

    def write_json(self, name: str, value: Any) -> None:
        """Write one JSON file of the record."""
        if self.primary:
            write_json(self.path / name, value)

    def config(self) -> DictConfig:
        """Return the configuration the run was started with.

        Raises:
            RunnerError: there is none, or it is damaged.
        """
        path = self.path / layout.CONFIG
        try:
            config = OmegaConf.load(path)
        except OSError:
            raise RunnerError(f"{self.path}: no run directory (it holds no config.yaml).") from None
        except Exception as error:
            raise RunnerError(f"{path}: damaged ({str(error).splitlines()[0]}).") from None
        if not isinstance(config, DictConfig):
            raise RunnerError(f"{path}: damaged (not a mapping).")
        return OmegaConf.create(up_to_date(OmegaConf.to_container(config)))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep status.json true: running now; done, failed or interrupted afterwards."""
        self.update_status(
            state="running",
            pid=os.getpid(),
            host=socket.gethostname(),
            started=time.time(),
            ended=None,
            error=None,
        )
        try:
            yield
        except Interrupted as signal:
            signal.run_directory = self.path if self.primary else None
            self.update_status(state="interrupted", ended=time.time(), error=str(signal))
            raise
        except BaseException as error:
            # What the user can mend speaks for itself, without the name of an exception.
            told = str(error) if isinstance(error, RunnerError) else f"{type(error).__name__}: {error}"
            self.update_status(state="failed", ended=time.time(), error=told)
            raise
        self.update_status(state="done", stage=None, ended=time.time())


def owner(file: Path, what_for: str) -> RunDirectory:
    """Return the run directory that a file lies in; `what_for` says why it is needed, for messages.

    Raises:
        RunnerError: there is no such file, or it was moved away from its run.
    """
    if not file.exists():
        raise RunnerError(f"{file}: there is no such run directory or artifact.")
    for folder in file.resolve().parents:
        if (folder / layout.CONFIG).is_file() and (folder / layout.STATUS).is_file():
            return RunDirectory(folder)
    raise RunnerError(
        f"{file}: lies in no run directory. It needs the run's config.yaml and checkpoint beside it, {what_for}; "
        "copy the whole run directory."
    )


def create(
    wanted: Path, config: DictConfig, overrides: list[str], choices: dict[str, str], *, exactly: bool
) -> RunDirectory:
    """Claim a new directory and write what was asked for into it.

    Args:
        wanted: where it should be; a number is appended where that is taken.
        choices: configuration group to the file chosen of it; kept in status.json.
        exactly: the user named this very place, so a run that lies there already is an error.

    Raises:
        RunnerError: the place holds a run already, or cannot be written.
    """
    inherited = os.environ.get(ENVIRONMENT_VARIABLE)
    if inherited and int(os.environ.get("LOCAL_RANK", "0")) > 0:
        return RunDirectory(Path(inherited), primary=False)
    try:
        path = claim(wanted, exactly=exactly)
        write_text(path / layout.CONFIG, OmegaConf.to_yaml(config, resolve=True))
        write_text(path / layout.OVERRIDES, OmegaConf.to_yaml(OmegaConf.create(overrides)))
        (path / layout.ARTIFACTS).mkdir(exist_ok=True)
        write_json(path / layout.STATUS, {"state": "starting", "pid": os.getpid(), "choices": choices})
    except OSError as error:
        raise RunnerError(
            f"{wanted}: the run directory cannot be written ({error.strerror}). Choose another with hydra.run.dir=…"
        ) from None
    os.environ[ENVIRONMENT_VARIABLE] = str(path.resolve())
    return RunDirectory(path)


def claim(wanted: Path, *, exactly: bool) -> Path:
    """Make a directory that nobody else has: two runs of the same second get different ones."""
    if exactly:
        wanted.mkdir(parents=True, exist_ok=True)
        if any((wanted / name).exists() for name in (layout.STATUS, layout.CONFIG)):
            raise RunnerError(
                f"hydra.run.dir={wanted}: holds a run already. Choose another place, "
                f"or go on with that run: python -m runner resume {wanted}"
            )
        return wanted
    wanted.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            path.mkdir(exist_ok=False)
        except FileExistsError:
            if not path.parent.is_dir():
                raise
            number += 1
        else:
            return path
