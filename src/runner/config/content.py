"""What the user's own files hold, as part of a configuration: other files are another experiment."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from runner.errors import RunnerError
from runner.tracking.identity import CONTENT, PLACE

KEY = CONTENT.rpartition(".")[2]


def read(*places: str) -> str | None:
    """See `content_of`; most runs have no files of the user's own."""
    from runner.data.content import content_of

    return content_of(*places)


def remembering() -> Callable[..., str | None]:
    """Return `read` that looks at a place once: the jobs of a sweep have one content, read for the first."""
    known: dict[tuple[str, ...], str | None] = {}

    def ask(*places: str) -> str | None:
        if places not in known:
            known[places] = read(*places)
        return known[places]

    return ask


def stamp(config: DictConfig, ask: Callable[..., str | None]) -> None:
    """Put the content of the data's files into its section as `content`.

    Data whose YAML says `content: null` is a published set, or one that is made: its name says what it holds, and the
    key is left out.
    """
    data = config.get("data") if isinstance(config, DictConfig) else None
    if not isinstance(data, DictConfig) or data._is_none():
        return
    with flag_override(data, ["struct", "readonly"], False):
        if KEY in data:
            if OmegaConf.is_missing(data, KEY) or data._get_node(KEY)._value() is None:  # type: ignore[union-attr]
                data.pop(KEY)
            return
        if (found := now(data, ask)) is not None:
            data[KEY] = found


def now(data: DictConfig, ask: Callable[..., str | None] = read) -> str | None:
    """Return the content of the files that a data section names; None where it names none that are there."""
    places: list[str] = []
    for key in map(str, data):
        if re.search(PLACE, key) and not OmegaConf.is_missing(data, key):
            try:
                value: Any = data[key]
            except OmegaConfBaseException:
                continue  # it has a message of its own
            places += [
                each for each in (value if isinstance(value, (list, ListConfig)) else [value]) if isinstance(each, str)
            ]
    return ask(*places) if places else None


def decides_content(path: Sequence[Any]) -> bool:
    """Return whether what lies at a place of a configuration says where the data's files are, or what they hold."""
    return len(path) > 1 and path[0] == "data" and (path[1] == KEY or bool(re.search(PLACE, str(path[1]))))


def refuse_other_content(config: DictConfig, what: str) -> None:
    """Raise RunnerError where the data of a run holds something else now than when the run began; `what` is the run."""
    data = config.get("data")
    before = data.get(KEY) if isinstance(data, DictConfig) else None
    if before is None or (found := now(data)) in (None, before):
        return
    names = {key: value for key, value in data.items() if re.search(PLACE, str(key)) and isinstance(value, str)}
    raise RunnerError(
        f"{what}: {described(names)} is not what it was when this run began (content {before}, now {found}). Put the "
        f"files back as they were, or start from the run's weights with checkpoint={what}."
    )


def described(names: Mapping[Any, str]) -> str:
    """Return `data.root=FOLDER` for every place."""
    return ", ".join(f"data.{key}={value}" for key, value in names.items())
