"""The interpolations that configurations may use beside OmegaConf's own: `${run_directory:}`, `${commands:}`, …"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from runner.data import discovery

# Outside a run the interpolation stands for itself, so that a resolved config.yaml still holds it and a run
# directory that was moved is resumed where it now lies.
UNSET = "${run_directory:}"
_directory: ContextVar[str] = ContextVar("run_directory", default=UNSET)


@contextmanager
def run_directory(path: Path) -> Iterator[None]:
    """Within this context `${run_directory:}` is `path`."""
    token = _directory.set(str(path))
    try:
        yield
    finally:
        _directory.reset(token)


def command_names() -> list[str]:
    """The sub-commands: one for each file of `runner/commands`."""
    folder = Path(__file__).resolve().parents[1] / "commands"
    return sorted(path.stem for path in folder.glob("[!_]*.py"))


def register() -> None:
    """Makes the interpolations known to OmegaConf; calling it again changes nothing."""
    table: dict[str, Callable[..., Any]] = {
        "run_directory": _directory.get,
        "commands": lambda: ", ".join(command_names()),
        "folder_classes": discovery.count_classes_in_folder,
        "csv_features": discovery.count_features,
        "csv_classes": discovery.count_classes_in_column,
    }
    for name, function in table.items():
        OmegaConf.register_new_resolver(name, function, replace=True)
