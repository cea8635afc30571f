"""Every package that the source imports is declared in pyproject.toml."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Not on the package index for every platform: looked for, and done without where it is missing.
UNDECLARED = {"pyg_lib"}
# Where the name of the import is not that of the package; others are the same but for case and dashes.
PACKAGES = {"PIL": "pillow", "hydra": "hydra-core", "sklearn": "scikit-learn", "yaml": "pyyaml"}


@cache
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    """The names of packages, as the index writes them."""
    return {normal(re.split(r"[\[<>=!~; ]", each, maxsplit=1)[0]) for each in requirements}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(source: str) -> set[str]:
    """The outermost names of all modules that a source imports, lazily or not, its own package and Python's aside."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found - sys.stdlib_module_names - {"runner"}


def undeclared(modules: set[str], declared: set[str]) -> set[str]:
    return {each for each in modules - UNDECLARED if normal(PACKAGES.get(each, each)) not in declared}


def sources() -> set[str]:
    return set().union(*(imported(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")))


def test_every_imported_package_is_declared():
    extras = [each for group, some in project()["optional-dependencies"].items() if group != "dev" for each in some]
    assert undeclared(sources(), names([*project()["dependencies"], *extras])) == set()


def test_an_import_that_nobody_declared_is_found():
    source = "import os\ndef late():\n    from yaml.nodes import Node\n    import torch.nn, requests\n"
    assert imported(source) == {"yaml", "torch", "requests"}
    assert undeclared(imported(source), {"torch", "pyyaml"}) == {"requests"}


@pytest.mark.parametrize("module", sorted(PACKAGES))
def test_the_names_of_packages_are_those_that_are_installed(module):
    assert PACKAGES[module] in {normal(each) for each in packages_distributions()[module]}


def test_all_that_is_always_needed_is_pinned():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert names(project()["dependencies"]) <= names([line for line in lock if not line.startswith("#")])
