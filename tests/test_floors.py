"""The house stands: imports point down only, files stay small, names say something."""

import ast
import sys
from itertools import pairwise
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "runner"
FILES = sorted(SOURCE.rglob("*.py"))
# From the top; a file may import from its own floor's other names and from every floor below.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["commands"],
    ["sweep"],
    ["launch", "usage"],
    ["run"],
    ["stages"],
    ["job"],
    ["assemble"],
    ["tasks", "report"],
    ["models", "data", "compression", "config", "build", "tracking", "command_line", "columns"],
    ["measure"],
    ["nested"],
    ["errors"],
]
HEIGHT = {name: len(FLOORS) - floor for floor, names in enumerate(FLOORS) for name in names}
MODEL_LIBRARIES = {"torch", "torchvision", "timm", "torch_geometric", "peft", "runner"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
LINES = 300


def imported(file: Path) -> set[str]:
    """All modules a file imports, by their dotted names, wherever in the file it does so."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "runner" else {node.module}
            )
    return names


def unit(file: Path) -> str:
    """The package or module below `runner` that a file belongs to."""
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def runner_units(file: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(file) if name.startswith("runner.")} - {unit(file)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_point_down_only(file):
    here = unit(file)
    if here == "__init__":
        assert not imported(file)
        return
    for there in runner_units(file):
        assert HEIGHT[there] <= HEIGHT[here], f"{here} must not import {there}"


def test_no_two_packages_import_each_other():
    graph: dict[str, set[str]] = {}
    for file in FILES:
        graph.setdefault(unit(file), set()).update(runner_units(file))
    assert not cycle(graph)


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The names along a circle of imports; empty where there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := visit(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


def test_the_search_for_circles_finds_one():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert cycle({"a": {"b"}, "b": {"c"}}) == []


@pytest.mark.parametrize("file", sorted((SOURCE / "models").glob("*.py")), ids=lambda file: file.name)
def test_networks_know_only_torch_and_model_libraries(file):
    for name in imported(file):
        top = name.split(".")[0]
        assert top in MODEL_LIBRARIES | sys.stdlib_module_names, name
        assert top != "runner" or name.startswith(("runner.models", "runner.errors")), name


def test_data_knows_no_networks():
    for file in (SOURCE / "data").glob("*.py"):
        assert "models" not in runner_units(file), file


@pytest.mark.parametrize("package", ["data", "models", "compression", "measure", "tasks"])
def test_only_the_upper_floors_know_hydra(package):
    for file in (SOURCE / package).glob("**/*.py"):
        assert not {name for name in imported(file) if name.split(".")[0] in ("hydra", "omegaconf")}, file


def test_files_are_short_and_have_telling_names():
    for file in FILES:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= LINES, file
        assert not {part.removesuffix(".py") for part in file.relative_to(SOURCE).parts} & FORBIDDEN_NAMES, file


def test_every_module_says_what_it_is_in_one_line():
    for file in FILES:
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
        assert text or file.name == "__init__.py", file


def test_the_floors_are_listed_from_the_top():
    assert all(HEIGHT[upper[0]] > HEIGHT[lower[0]] for upper, lower in pairwise(FLOORS))
