"""Runs in this process, each in a directory of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.cli.main import main


@pytest.fixture
def run(tmp_path, monkeypatch) -> Callable[..., Path]:
    """`run("model=mlp")` is `python -m runner model=mlp` on the CPU; returns the run directory."""
    monkeypatch.chdir(tmp_path)
    count = 0

    def call(*overrides: str) -> Path:
        nonlocal count
        count += 1
        assert main([*overrides, "trainer=cpu", f"hydra.run.dir=run{count}"]) == 0
        return tmp_path / f"run{count}"

    return call
