"""The wheel is complete: installed elsewhere, it finds its own choices from any directory."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("building a wheel without network needs hatchling in this environment")
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*PIP, "wheel", *options, str(REPOSITORY)], check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_the_configurations_and_nothing_strange(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    conf = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "conf").rglob("*.yaml")}
    assert {f"runner/{path}" for path in conf} <= names
    source = {path.relative_to(REPOSITORY / "src").as_posix() for path in (REPOSITORY / "src").rglob("*.py")}
    assert source <= names
    assert all(name.startswith(("runner/", "runner-")) for name in names)


def test_it_runs_from_any_directory(wheel, tmp_path):
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run([*PIP, "install", "--no-deps", "--target", str(target), str(wheel)], check=True, timeout=120)
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def call(*arguments):
        command = [sys.executable, "-m", "runner", *arguments]
        return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=120)

    listed = call("list", "data")
    assert listed.returncode == 0, listed.stderr
    assert "mnist" in listed.stdout
    assert f"file://{target / 'runner' / 'conf'}" in call("--info", "searchpath").stdout
    assert call("model=resnt").stderr.startswith("error: model=resnt: there is no such choice. Did you mean resnet")
