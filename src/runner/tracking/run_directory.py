"""The run directory: created once, written in whole files, readable while the run goes on."""

import errno
import io
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from runner.errors import RunnerError, system_trouble
from runner.files import overwrite_json, remove_unfinished, write_json, write_text
from runner.files.reading import check_yaml, read_bytes
from runner.tracking import layout, lock
from runner.tracking.identity import up_to_date
from runner.tracking.links import refuse_links, unlink_copies
from runner.tracking.result import read_entries
from runner.tracking.signals import Interrupted, held_back

# Processes that one run starts for further devices find the directory of the first here.
ENVIRONMENT_VARIABLE = "RUNNER_RUN_DIRECTORY"
# The interpolation that stays in config.yaml, so that a directory may be moved.
HERE = "${run_directory:}"


class RunDirectory:
    """One run on disk.

    Attributes:
        path: absolute path of the directory.
        primary: whether this process writes; the other ranks of a distributed run only read.
    """

    def __init__(self, path: Path, *, primary: bool = True) -> None:
        self.path = path.resolve()
        self.primary = primary
        self._going_on = False

    @property
    def status(self) -> dict[str, Any]:
        """The content of status.json; without what is damaged of it."""
        return read_entries(self.path / layout.STATUS)

    def update_status(self, **changes: Any) -> None:
        """Change some entries of status.json, in one step that no signal breaks off."""
        if self._going_on and not (self.path / layout.CONFIG).exists():  # what writes next would begin another one
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path / layout.CONFIG))
        if self.primary:
            with held_back():
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
            content = read_bytes(path)
            check_yaml(content)
            config = OmegaConf.load(io.StringIO(content.decode()))
        except FileNotFoundError:
            raise RunnerError(f"{self.path}: no run directory (it holds no config.yaml).") from None
        except Exception as error:
            raise RunnerError(f"{path}: damaged ({str(error).splitlines()[0]}).") from None
        if not isinstance(config, DictConfig):
            raise RunnerError(f"{path}: damaged (not a mapping).")
        plain = OmegaConf.to_container(config)
        if strange := next(foreign_interpolations(plain), None):
            raise RunnerError(
                f"{path}: holds {strange}, but a run's configuration is written with values in place of "
                f"interpolations, but for {HERE}. Put the value there."
            )
        return OmegaConf.create(up_to_date(plain))

    def plain_config(self) -> dict[str, Any]:
        """Return that configuration as plain containers; what refers to the run's directory stays as it is."""
        plain: Any = OmegaConf.to_container(self.config())
        return dict(plain)

    def overrides(self) -> list[str]:
        """Return what the command line said that began the run.

        Raises:
            RunnerError: that is missing or damaged.
        """
        path = self.path / layout.OVERRIDES
        try:
            content = read_bytes(path)
            check_yaml(content)
            listed = yaml.safe_load(content)
            if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
                raise ValueError("it is no list of texts")
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise RunnerError(f"{path}: cannot be read ({' '.join(str(error).split())}).") from None
        return listed

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out of the directory within this context; the first process of a run does.

        What a killed one left half written is removed.

        Raises:
            RunnerError: one works there, or something in it is a link that leads out of it.
        """
        if not self.primary:
            yield
            return
        refuse_links(self.path)
        with lock.held(self.path, "this run is still going on"):
            remove_unfinished(self.path)
            unlink_copies(self.path, layout.IN_PLACE)
            yield

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep status.json true: running now; done, failed or interrupted afterwards."""
        process = {"pid": os.getpid(), "host": socket.gethostname()}
        try:
            self.update_status(state="running", **process, started=time.time(), ended=None, error=None)
            self._going_on = (self.path / layout.CONFIG).exists()
            yield
        except Interrupted as signal:
            signal.run_directory = self.path if self.primary else None
            self.note_end("interrupted", str(signal))
            raise
        except BaseException as error:
            # What the user can mend speaks for itself, without the name of an exception.
            if trouble := system_trouble(error, self.path):
                told = f"{self.path}: {trouble}, and go on with: python -m runner resume {quote(str(self.path))}"
                self.note_end("failed", told)
                raise RunnerError(told) from error
            told = str(error) if isinstance(error, RunnerError) else f"{type(error).__name__}: {error}"
            self.note_end("failed", told)
            raise
        self.update_status(state="done", stage=None, ended=time.time())

    def note_end(self, state: str, told: str) -> None:
        """Write down how a run ended; where not even that can be written, what ended it is told all the same."""
        end = {"state": state, "ended": time.time(), "error": told}
        try:
            self.update_status(**end)
        except OSError:
            with suppress(OSError):
                overwrite_json(self.path / layout.STATUS, {**self.status, **end})


def foreign_interpolations(node: Any) -> Iterator[str]:
    """Yield the interpolations in plain containers, but for that of the run's directory.

    Others could read the environment and files, and grow without end.
    """
    if isinstance(node, dict):
        node = [*node, *node.values()]
    if isinstance(node, list):
        for each in node:
            yield from foreign_interpolations(each)
    elif isinstance(node, str) and "${" in (rest := node.replace(HERE, "")):
        yield re.sub(r"^.*?(\$\{.{0,40}).*", r"\1", rest, flags=re.DOTALL)


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


@contextmanager
def created(
    wanted: Path, config: DictConfig, overrides: list[str], choices: dict[str, str], *, exactly: bool
) -> Iterator[RunDirectory]:
    """Claim a new directory, hold it within this context, and write what was asked for into it.

    Args:
        wanted: where it should be; a number is appended where that is taken.
        choices: configuration group to the file chosen of it; kept in status.json.
        exactly: the user named this very place, so a run that lies there already is an error.

    Raises:
        RunnerError: the place holds a run already, or cannot be written.
    """
    inherited = os.environ.get(ENVIRONMENT_VARIABLE)
    if inherited and int(os.environ.get("LOCAL_RANK", "0")) > 0:
        yield RunDirectory(Path(inherited), primary=False)
        return
    with written(wanted):
        record = RunDirectory(claim(wanted, exactly=exactly))
    with record.held():
        with written(wanted):
            if exactly:
                refuse_begun(wanted)
            begin(record.path, config, overrides, choices)
        os.environ[ENVIRONMENT_VARIABLE] = str(record.path)
        yield record


@contextmanager
def written(wanted: Path) -> Iterator[None]:
    """Raise RunnerError where the place of a new run cannot be written."""
    try:
        yield
    except OSError as error:
        raise RunnerError(
            f"{wanted}: the run directory cannot be written ({error.strerror}). Choose another with hydra.run.dir=…"
        ) from None


def begin(path: Path, config: DictConfig, overrides: list[str], choices: dict[str, str]) -> None:
    """Write what was asked for; with config.yaml, the last of it, the run can be resumed."""
    status = {"state": "starting", "pid": os.getpid(), "host": socket.gethostname(), "choices": choices}
    write_json(path / layout.STATUS, status | {"metrics_bytes": 0})
    write_text(path / layout.OVERRIDES, OmegaConf.to_yaml(OmegaConf.create(overrides)))
    (path / layout.ARTIFACTS).mkdir(exist_ok=True)
    write_text(path / layout.CONFIG, OmegaConf.to_yaml(config, resolve=True))


def has_begun(path: Path) -> bool:
    """Return whether a directory holds a run; one that was killed before it had a configuration never began."""
    return (path / layout.CONFIG).exists() or ((path / layout.STATUS).exists() and not (path / lock.FILE).exists())


def refuse_begun(path: Path) -> None:
    """Raise RunnerError where a directory holds a run."""
    if has_begun(path):
        raise RunnerError(
            f"hydra.run.dir={path}: holds a run already. Choose another place, "
            f"or go on with that run: python -m runner resume {path}"
        )


def claim(wanted: Path, *, exactly: bool) -> Path:
    """Make a directory that nobody else has: two runs of the same second get different ones."""
    if exactly:
        wanted.mkdir(parents=True, exist_ok=True)
        refuse_begun(wanted)  # before a lock's file would be the first that is written there
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
