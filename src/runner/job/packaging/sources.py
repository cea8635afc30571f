"""The modules of this package that a program needs: its own, and those that they import, lazily or not."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
# Files beside modules that they read.
BESIDE = ("serving/page",)


def needed(*programs: str) -> list[Path]:
    """Return the files of modules (`serving.worker`) and of all that they import of this package, relative to it.

    What only type checkers see (`if TYPE_CHECKING`) is not needed.
    """
    found: set[Path] = set()
    waiting = [path for name in programs for path in files_of(name)]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += [each for name in imported(SOURCE / path) for each in files_of(name)]
    pages = [path.relative_to(SOURCE) for folder in BESIDE for path in (SOURCE / folder).iterdir() if path.is_file()]
    return sorted(found) + (sorted(pages) if Path("serving/page.py") in found else [])


def files_of(name: str) -> list[Path]:
    """Return the file of a module and those of the packages around it."""
    parts = name.split(".") if name else []
    packages = [Path(*parts[:depth], "__init__.py") for depth in range(len(parts) + 1)]
    module = [Path(*parts).with_suffix(".py")] if parts else []
    return [each for each in [*packages, *module] if (SOURCE / each).is_file()]


def imported(path: Path) -> Iterator[str]:
    """Yield the names below this package that a file imports; of `from a import b` both a and a.b."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unseen = {id(node) for block in ast.walk(tree) if is_for_types(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in unseen or not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            names = [alias.name for alias in node.names]
        yield from (name.partition(".")[2] for name in names if name.partition(".")[0] == SOURCE.name)


def is_for_types(node: ast.AST) -> bool:
    """Return whether this is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
