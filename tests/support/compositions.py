"""Hydra's compositions, shared by all tests of a process: half the time of a tiny run goes into composing it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig, flag_override

from runner.config.compose import Composer


@pytest.fixture(scope="session", autouse=True)
def compositions_are_kept() -> Iterator[None]:
    """`Composer` keeps what Hydra makes of the same choices for one command; here it is kept as long as the files."""
    compose, kept = Composer.choose, dict[object, DictConfig]()

    def choose(composer: Composer, texts: tuple[str, ...]) -> DictConfig:
        key = (texts, *map(state, composer.directories))
        if key not in kept:
            kept[key] = compose(composer, texts)
        node = kept[key].hydra.runtime
        with flag_override(node, ["readonly", "struct"], False):
            node.cwd = str(Path.cwd())
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Composer, "choose", choose)
        yield


def state(directory: Path) -> tuple[object, ...]:
    """What tells the files of a directory from those that lay there before."""
    files = sorted(directory.rglob("*.yaml"))
    stats = [path.stat() for path in files]
    return str(directory), *(
        (str(path), each.st_mtime_ns, each.st_size) for path, each in zip(files, stats, strict=True)
    )
