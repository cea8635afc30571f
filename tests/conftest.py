"""What many tests share: the real command in a process of its own, and runs that several folders look at."""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from runner.run import lean_imports

lean_imports.install()
# A busy machine is nobody's mistake; fixtures of a function are read by examples, not changed.
settings.register_profile(
    "runner", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("runner")

pytest_plugins = [
    "tests.support.coded_network",
    "tests.support.mnist",
    "tests.support.programs",
    "tests.support.runs",
    "tests.support.training",
]

# The files whose tests take longest begin, so that two workers end together.
LONGEST = (
    "test_docs.py",
    "stages/test_every_network.py",
    "config/test_every_choice.py",
    "compression/quantization/backends/test_executorch.py",
    "stages/test_compression.py",
    "compression/quantization/backends/test_openvino.py",
    "stages/test_detection_runs.py",
    "compression/test_several_inputs_and_outputs.py",
    "sweep/test_launchers.py",
    "run/test_processes.py",
    "sweep/test_sweep_on_disk.py",
    "run/test_resume_exactness.py",
    "stages/test_several_inputs_and_outputs.py",
    "run/test_refused_before_training.py",
    "compression/quantization/program/test_qat.py",
    "stages/test_quantization_outcomes.py",
    "stages/test_fine_tuning.py",
    "faults/test_faults.py",
)

# Bytes that the files of all tests take, several times over.
ROOM = 8_000_000_000


def pytest_configure() -> None:
    """Let the files of tests lie in memory where there is room: runs make sure that theirs are on the disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; within a file the order stays."""
    places = {Path(__file__).parent / name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of every later garbage collection, and collect less often.

    Each is a twentieth of the suite's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def no_run_directory_of_another_test(monkeypatch):
    """A process that ran one run in a test must not hand its directory to the next."""
    monkeypatch.delenv("RUNNER_RUN_DIRECTORY", raising=False)


@pytest.fixture(autouse=True)
def no_data_of_the_developers(monkeypatch, tmp_path_factory):
    """The same tests run everywhere: what lies on this machine beside the repository is not for them."""
    monkeypatch.delenv("RUNNER_DATA", raising=False)
    monkeypatch.setenv("RUNNER_SETTINGS", os.devnull)
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def runner(tmp_path) -> Command:
    """`runner("list", "model")` is `python -m runner list model` in an empty directory."""

    def call(*arguments: str, cwd: Path = tmp_path, **options) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONWARNINGS": "ignore"}
        environment |= options.pop("env", {})
        return subprocess.run(
            [sys.executable, "-m", "runner", *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            **options,
        )

    return call


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory) -> Path:
    """The directory of a finished run with everything recorded: a small network that reads most digits."""
    from runner.cli.main import main

    path = tmp_path_factory.mktemp("digits") / "run"
    overrides = ["model=cnn", "data=digits", "augmentation=none", "optimizer.lr=0.01", "trainer.max_epochs=6"]
    assert main([*overrides, "trainer=cpu", "trainer.log_every_n_steps=5", f"hydra.run.dir={path}"]) == 0
    return path
