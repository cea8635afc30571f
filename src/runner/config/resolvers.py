"""The interpolations that configurations may use beside OmegaConf's own: `${run_directory:}`, `${csv_features:…}`, …"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from runner.data.images.class_folders import count_classes_in_folder
from runner.data.tables.columns import count_classes_in_column, count_features

# Outside a run the interpolation stands for itself, so that a resolved config.yaml still holds it and a run
# directory that was moved is resumed where it now lies.
UNSET = "${run_directory:}"
_directory: ContextVar[str] = ContextVar("run_directory", default=UNSET)


@contextmanager
def run_directory(path: Path | None) -> Iterator[None]:
    """Within this context `${run_directory:}` is `path`; with None it stands for itself."""
    token = _directory.set(str(path or UNSET))
    try:
        yield
    finally:
        _directory.reset(token)


def register() -> None:
    """Makes the interpolations known to OmegaConf; calling it again changes nothing."""
    table: dict[str, Callable[..., Any]] = {
        "run_directory": _directory.get,
        "stages": stages,
        "every_choice": every_choice,
        "remaining": remaining,
        "folder_classes": count_classes_in_folder,
        "csv_features": remembered(count_features),
        "csv_classes": remembered(count_classes_in_column),
    }
    for name, function in table.items():
        OmegaConf.register_new_resolver(name, function, replace=True)


def stages(*compression: Sequence[str]) -> list[str]:
    """All stages of a run, given those that each kind of compression adds."""
    added = [stage for each in compression for stage in each]
    return ["fit", "test", *added, *(["export", "benchmark"] if added else [])]


def every_choice(group: str, sources: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the content of every file of a group by its name, the first found of each: ours, then the user's.

    Args:
        group: a group whose files stand for themselves (`export/format`).
        sources: Hydra's `runtime.config_sources`.
    """
    found: dict[str, Any] = {}
    for source in sources:
        if source["schema"] == "file":
            for path in sorted((Path(source["path"]) / group).glob("[!_]*.yaml")):
                found.setdefault(path.stem, OmegaConf.to_container(OmegaConf.load(path)))
    return found


def remaining(macs: float | None, ratio: float) -> float:
    """The share of a network that channel pruning leaves: of multiply-accumulates, or of channels going in and out."""
    return 1 - macs if macs is not None else (1 - ratio) ** 2


def remembered(count: Callable[..., Any]) -> Callable[..., Any]:
    """`count(path, …)` that reads a file once: a configuration asks for the same count several times."""
    answers: dict[Any, Any] = {}

    def ask(path: str, *arguments: Any) -> Any:
        file = Path(path)
        state = (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None
        key = (str(file.resolve()), state, str(arguments))
        if key not in answers:
            answers[key] = count(path, *arguments)
        return answers[key]

    return ask
