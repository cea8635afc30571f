"""new: a project of each kind would run, one passes its own tests, and nothing is written where something is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from runner.cli.main import main
from runner.cli.projects.names import package_name
from runner.config import catalog
from tests.support.box_labels import yolo

FILES = {
    "{}/__init__.py",
    "{}/network.py",
    "{}/data.py",
    "conf/data/{}.yaml",
    "conf/model/{}.yaml",
    "conf/experiment/{}.yaml",
    "tests/test_network.py",
    "tests/test_project.py",
    ".github/workflows/ci.yml",
    ".gitignore",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "requirements.txt",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Files of every kind."""
    folder = tmp_path_factory.mktemp("new")
    for index in range(30):
        path = folder / "photos" / ("cat" if index < 27 else "dog") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (70, 60 + index), (9 * index % 256, index, 0)).save(path)
    rows = [f"{40 + index},{'' if index == 5 else index % 7},{'ab'[index % 2]}" for index in range(40)]
    (folder / "rents.csv").write_text("area,rooms,district\n" + "\n".join(rows) + "\n")
    yolo(folder / "boxes")
    (folder / "words").mkdir()
    for name in ("tree", "animal"):
        (folder / "words" / f"{name}.txt").write_text("".join(f"{name[::-1]}{number}\n" for number in range(20)))
    return folder


@pytest.fixture(autouse=True)
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        if name.split(".")[0].startswith("own_"):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("kind", "data", "told", "settings"),
    [
        (
            "folder",
            "photos",
            ("Pictures have 70x60 to 70x89 pixels, the middle one 70x75.", "2 classes: cat (27), dog (3)."),
            {"root": "../photos", "image_size": 64, "batch_size": 8},
        ),
        (
            "table",
            "rents.csv",
            (
                "40 rows; 'district' is predicted, by task=binary_classification; --target names another column.",
                "Columns: area (number), rooms (number, 1 gaps), 2 inputs.",
            ),
            {"root": "../rents.csv", "target": "district", "missing": "median"},
        ),
        (
            "coco",
            "boxes",
            ("YOLO text: 6 pictures, 8 objects by class: 0 cat (3), 1 dog (3), 2 bird (2).",),
            {"root": "../boxes", "image_size": 64},
        ),
        (
            "text",
            "words",
            ("40 texts of 5 to 8 characters, the middle one 6.5; up to 10 will be read.",),
            {"root": "../words", "label": None, "max_length": 10},
        ),
    ],
)
def test_files_are_described_and_would_be_trained_on(kind, data, told, settings, place, monkeypatch, capsys):
    name = f"own_{kind}"
    assert main(["new", name, "--data", kind, data]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {*told} <= {*lines}
    written = {path.relative_to(place / name).as_posix() for path in (place / name).rglob("*") if path.is_file()}
    assert written == {each.format(name) for each in FILES}
    section = yaml.safe_load((place / name / "conf" / "data" / f"{name}.yaml").read_text())
    assert settings.items() <= section.items()
    assert str(place) not in (place / name / "README.md").read_text()
    monkeypatch.chdir(place / name)
    assert main(["check", f"experiment={name}", f"runner.plugins=[{name}]"]) == 0
    assert "one batch" in capsys.readouterr().out


def test_every_yaml_has_its_header_and_the_line_for_editors(place):
    assert main(["new", "own_headers"]) == 0
    known = catalog.choices([place / "own_headers" / "conf"])
    assert {*known} == {"data", "model", "experiment"}
    for group, choices in known.items():
        choice = choices["own_headers"]
        assert choice.what
        assert choice.command == "python -m runner experiment=own_headers runner.plugins=[own_headers]"
        assert choice.expect
        line = f"# yaml-language-server: $schema=../../schema/{group}.json"
        assert line in choice.path.read_text().splitlines()[3:5]


def test_a_project_passes_its_own_tests_and_style(place):
    assert main(["new", "My Spirals-2"]) == 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    options = {"cwd": place / "My Spirals-2", "env": environment, "capture_output": True, "text": True}
    python = [sys.executable, "-m"]
    for command in (["pytest", "-p", "no:cacheprovider"], ["ruff", "check", "."], ["ruff", "format", "--check", "."]):
        done = subprocess.run([*python, *command], timeout=300, **options)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("flowers", "flowers"),
        ("My Flowers-2", "my_flowers_2"),
        ("Größe", "groe"),
        ("2024", "n2024"),
        ("class", "class_project"),
        ("random", "random_project"),
        ("torch", "torch_project"),
        ("tests", "tests_project"),
        ("digits", "digits_project"),
        ("花", "my"),
    ],
)
def test_a_package_is_called_like_its_directory_as_far_as_it_can_be(text, name):
    assert package_name(text, {"digits"}) == name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["photos"], "photos is not empty: it holds cat, dog. Name a directory"),
        (["rents.csv"], "rents.csv is a file"),
        (["own", "--data", "foldr", "photos"], "there is no such kind. Did you mean folder?"),
        (["own", "--data", "folder", "nowhere"], "--data folder nowhere: there is no such file or folder"),
        (
            ["own", "--data", "table", "photos"],
            "a table is one file, CSV or Parquet.\nWhat lies there: 2 folders (cat, dog)",
        ),
        (["own", "--data", "coco", "words"], "no labels of objects were found"),
        (["own", "--data", "folder", "words"], "What lies there: 2 files .txt."),
        (["own", "--data", "table", "rents.csv", "--target", "rent"], "has no column 'rent'. Did you mean"),
        (["own", "--data", "folder", "photos", "--target", "cat"], "--target names a column"),
    ],
)
def test_what_cannot_be_begun_with_is_told_and_nothing_written(arguments, words, place, capsys):
    assert main(["new", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (place / "own").exists()
