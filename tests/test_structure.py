"""The house stands: every rule of its plan holds, and every rule finds the breach that is planted for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import structure
from tests.support.structure import CONFIGURATION_LIBRARIES, MODEL_LIBRARIES

SOURCE = Path(__file__).resolve().parents[1] / "src" / "runner"
# From the top. A file may import from its own room and from the rooms of every lower floor.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["sweep"],
    ["run", "stages"],
    ["job"],
    ["callbacks", "config", "report", "serving"],
    ["tasks", "tracking"],
    ["data", "compression"],
    ["models", "measure", "files", "errors"],
]
ROOMS = 18
# Below run/ nothing knows Hydra or its configurations, but for these.
KNOW_CONFIGURATIONS = {
    "tracking.run_directory": "writes the configuration as YAML",
}
RUN_FILES = [
    *("checkpoints", "artifacts", "tensorboard", "result.json", "status.json", "environment.json"),
    *("config.yaml", "overrides.yaml", "metrics.csv", "run.log", "report.md"),
]
# Files of the same name that lie elsewhere.
OTHER_FILES = {
    "config.catalog": "Hydra's primary configuration, conf/config.yaml",
    "models.torchvision": "torch.hub's folder for downloads",
}


def test_imports_point_down():
    assert structure.upward_imports(SOURCE, FLOORS) == []
    assert structure.relative_imports(SOURCE) == []


def test_there_are_few_rooms_on_few_floors():
    height = structure.heights(SOURCE)
    assert len(height) <= ROOMS
    assert max(height.values()) <= len(FLOORS) == 9
    assert set(height) == {name for names in FLOORS for name in names}


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_folders_import_each_other_in_a_circle(depth):
    assert structure.circles_at_depth(SOURCE, depth) == []


def test_no_files_import_each_other_in_a_circle():
    assert structure.circles_of_files(SOURCE) == []
    assert structure.circles_of_folders(SOURCE) == []


def test_networks_know_only_torch_and_model_libraries():
    assert structure.foreign_imports(SOURCE, "models", MODEL_LIBRARIES, ["models", "errors"]) == []


def test_data_knows_no_networks_and_compression_no_tasks():
    assert structure.imports_of_rooms(SOURCE, "data", ["models"]) == []
    assert structure.imports_of_rooms(SOURCE, "compression", ["tasks"]) == []


@pytest.mark.parametrize(
    "folder",
    ["data", "models", "compression", "measure", "tasks", "callbacks", "stages", "tracking"],
)
def test_below_the_run_nothing_knows_hydra(folder):
    found = structure.imports_of_libraries(SOURCE, folder, CONFIGURATION_LIBRARIES)
    assert [each for each in found if each.split()[0] not in KNOW_CONFIGURATIONS] == []
    assert [each for each in found if each.split()[2].startswith("hydra")] == []


def test_files_functions_and_folders_are_small():
    assert structure.full_folders(SOURCE) == []
    assert structure.long_files(SOURCE) == []
    assert structure.long_functions(SOURCE) == []


def test_names_say_something_and_are_unique():
    assert structure.empty_words(SOURCE) == []
    assert structure.repeated_classes(SOURCE) == []


def test_the_layout_of_a_run_directory_is_spelled_in_one_place():
    found = structure.spelled_literals(SOURCE, RUN_FILES, "tracking.layout")
    assert [each for each in found if each.split(":")[0] not in OTHER_FILES] == []


def test_every_module_and_package_says_what_it_is():
    assert structure.silent_modules(SOURCE) == []


@pytest.fixture
def planted(tmp_path) -> Callable[..., Path]:
    """`planted({"a/b.py": "import x"})` is a package `runner` of these files, each with a docstring before its text."""

    def plant(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "runner" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'"""A part."""\n{text}\n', encoding="utf-8")
        return tmp_path / "runner"

    return plant


LATE = "def call():\n    {}"
TYPES_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}"
WAYS = pytest.mark.parametrize("way", ["{}", LATE, TYPES_ONLY], ids=["at the top", "late", "for types"])


@WAYS
def test_an_import_that_points_up_is_found(planted, way):
    files = {"upper/deep/a.py": "", "lower/deep/b.py": way.format("from runner.upper.deep import a")}
    assert structure.upward_imports(planted(files), [["upper"], ["lower"]]) == [
        "lower.deep.b must not import upper.deep.a"
    ]
    assert structure.upward_imports(planted(files), [["lower"], ["upper"]]) == []


def test_an_import_on_the_same_floor_and_a_room_without_a_floor_are_found(planted):
    source = planted({"one.py": "import runner.two", "two.py": "", "three.py": ""})
    assert structure.upward_imports(source, [["one", "two"]]) == ["three is on no floor", "one must not import two"]


def test_a_relative_import_is_found(planted):
    assert structure.relative_imports(planted({"a/b.py": "from .c import d"})) == ["a.b"]


def test_heights_are_the_longest_ways_down(planted):
    source = planted({"a.py": "import runner.b, runner.c", "b.py": "import runner.c", "c.py": ""})
    assert structure.heights(source) == {"a": 3, "b": 2, "c": 1}


@WAYS
def test_a_circle_of_files_is_found(planted, way):
    files = {"a/x.py": "from runner.a.y import y", "a/y.py": way.format("import runner.a.x"), "a/z.py": ""}
    assert structure.circles_of_files(planted(files)) == [["a.x", "a.y"]]


def test_a_circle_of_folders_without_one_of_files_is_found(planted):
    files = {"a/x.py": "import runner.a.b.y", "a/z.py": "", "a/b/y.py": "", "a/b/w.py": "import runner.a.z"}
    source = planted(files)
    assert structure.circles_of_files(source) == []
    assert structure.circles_of_folders(source) == [["a", "a.b"]]


def test_a_circle_at_one_depth_only_is_found(planted):
    files = {"a/p/x.py": "import runner.b.q.y", "b/q/y.py": "", "b/r/v.py": "import runner.a.s.w", "a/s/w.py": ""}
    source = planted(files)
    assert structure.circles_of_folders(source) == structure.circles_at_depth(source, 2) == []
    assert structure.circles_at_depth(source, 1) == [["a", "b"]]


def test_files_at_the_root_make_no_circle_of_folders(planted):
    source = planted({"a/x.py": "import runner.root", "a/y.py": "", "root.py": "import runner.a.y"})
    assert structure.circles_of_folders(source) == structure.circles_at_depth(source, 1) == []


@WAYS
def test_a_foreign_library_in_a_deep_folder_is_found(planted, way):
    files = {
        "models/deep/net.py": way.format("import hydra.utils"),
        "models/good.py": "import math\nimport torch.nn\nfrom runner.errors import Any\nfrom runner import errors",
        "models/data.py": "from runner.data import idx",
        "errors.py": "",
    }
    found = structure.foreign_imports(planted(files), "models", MODEL_LIBRARIES, ["models", "errors"])
    assert found == ["models.data imports runner.data", "models.deep.net imports hydra.utils"]


@WAYS
def test_an_import_of_a_refused_room_is_found(planted, way):
    source = planted({"data/images/a.py": way.format("from runner.models import b"), "models/b.py": ""})
    assert structure.imports_of_rooms(source, "data", ["models"]) == ["data.images.a imports models.b"]


@WAYS
def test_an_import_of_a_refused_library_is_found(planted, way):
    source = planted({"tasks/deep/a.py": way.format("from omegaconf import OmegaConf"), "tasks_of_mine.py": ""})
    found = structure.imports_of_libraries(source, "tasks", CONFIGURATION_LIBRARIES)
    assert found == ["tasks.deep.a imports omegaconf"]


def test_a_module_without_a_docstring_is_found(planted):
    source = planted({"a.py": "", "b/__init__.py": "", "c/__init__.py": ""})
    (source / "c" / "__init__.py").write_text("")
    (source / "a.py").write_text("x = 1\n")
    assert structure.silent_modules(source) == ["a", "c"]


def test_what_is_too_large_is_found(planted):
    lines = "\n".join(f"    x{number} = 1" for number in range(60))
    source = planted({f"many/a{number}.py": "" for number in range(19)})
    planted({"long.py": "\n" * 300, "function.py": f"class A:\n  def call(self):\n{lines}", "short.py": "\n" * 298})
    assert structure.full_folders(source) == ["many: 19 modules"]
    assert structure.long_files(source) == ["long: 302 lines"]
    assert structure.long_functions(source) == ["function.call: 61 lines"]


def test_a_class_name_that_is_used_twice_is_found(planted):
    source = planted({"a.py": "class One: ...", "b/c.py": "def f():\n    class One: ...", "d.py": "class Two: ..."})
    assert structure.repeated_classes(source) == ["One: a, b.c"]


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "manager", "misc"])
def test_a_name_that_says_nothing_is_found(planted, name):
    source = planted({f"a/{name}.py": "", f"{name}/b.py": "", "a/commons.py": ""})
    assert structure.empty_words(source) == [f"a.{name}", f"{name}.b"]


def test_a_file_of_the_run_directory_that_is_spelled_elsewhere_is_found(planted):
    files = {
        "layout.py": 'RESULT = "result.json"',
        "a.py": '"""result.json"""\nfrom runner.layout import RESULT\ntext = f"{RESULT} or other"',
        "b.py": 'path = root / "result.json"',
        "c.py": 'path = f"{root}/artifacts/{name}"',
        "d.py": 'files = result.get("artifacts", {})',
    }
    found = structure.spelled_literals(planted(files), RUN_FILES, "layout")
    assert found == ["b:2: result.json", "c:2: artifacts"]
