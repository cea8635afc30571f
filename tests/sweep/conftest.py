"""Sweeps over the smallest run there is: a line through three points, in this process."""

import json
from collections.abc import Callable

import pytest

from runner.cli.main import main

LINE = ("experiment=linear_regression", "trainer.max_epochs=2", "trainer.check_val_every_n_epoch=1", "trainer=cpu")


@pytest.fixture
def sweep(tmp_path, monkeypatch) -> Callable[..., int]:
    """`sweep("seed=1,2")` is `python -m runner -m seed=1,2 …` in an empty directory; returns the exit status."""
    monkeypatch.chdir(tmp_path)

    def call(*overrides: str) -> int:
        return main(["-m", *LINE, "logger=csv", *overrides])

    return call


@pytest.fixture
def jobs(tmp_path) -> Callable[[], list[dict]]:
    """The jobs of the only sweep, as its sweep.json has them."""

    def read() -> list[dict]:
        (path,) = tmp_path.rglob("sweep.json")
        return json.loads(path.read_text())["jobs"]

    return read
