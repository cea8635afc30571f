"""What the source tree must look like: each rule is a function from a folder of sources to the list of its breaches."""

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
MODEL_LIBRARIES = {
    "torch",
    "torchvision",
    "timm",
    "huggingface_hub",
    "segmentation_models_pytorch",
    "torch_geometric",
    "peft",
    "h5py",
}
CONFIGURATION_LIBRARIES = {"hydra", "omegaconf"}
FILE_LINES, FUNCTION_LINES, MODULES_A_FOLDER = 300, 60, 18

Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class Module:
    """A source file: its dotted name below the top package (`data.images.idx`; empty for the package itself)."""

    name: str
    path: Path

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def folder(self) -> str:
        """The dotted name of the folder that it lies in; empty for files at the root."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def lines(self) -> int:
        return len(self.path.read_text(encoding="utf-8").splitlines())

    @property
    def tree(self) -> ast.Module:
        return parsed(self.path)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def modules(source: Path) -> dict[str, Module]:
    """All modules below `source`, the folder of the top package, by name."""
    found = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path)
    return found


def imported(module: Module) -> Iterator[tuple[str, str]]:
    """All that a module imports wherever in the file it does so, as (module, name or "")."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield "." * node.level + (node.module or ""), alias.name


def imports(source: Path) -> dict[str, set[str]]:
    """The modules of this package that each module imports: late and type-only imports included."""
    known, top = modules(source), source.name
    graph: dict[str, set[str]] = {}
    for module in known.values():
        graph[module.name] = set()
        for origin, name in imported(module):
            if origin != top and not origin.startswith(f"{top}."):
                continue
            below = origin.removeprefix(top).lstrip(".")
            longer = f"{below}.{name}".lstrip(".")
            graph[module.name].add(longer if longer in known else below)
    return graph


def room(name: str) -> str:
    return name.split(".")[0]


def relative_imports(source: Path) -> list[str]:
    return [each.name for each in modules(source).values() for origin, _ in imported(each) if origin.startswith(".")]


def upward_imports(source: Path, floors: list[list[str]]) -> list[str]:
    """Imports from a room to one that is not on a lower floor; rooms on no floor."""
    height = {name: len(floors) - floor for floor, names in enumerate(floors) for name in names}
    height[""] = len(floors) + 1  # the package itself offers what lies below
    found = [f"{each} is on no floor" for each in sorted({room(name) for name in imports(source)} - {*height, ""})]
    for here, targets in imports(source).items():
        for there in sorted(targets):
            if room(here) != room(there) and height.get(room(there), 0) >= height.get(room(here), 0):
                found.append(f"{here or source.name} must not import {there}")
    return found


def heights(source: Path) -> dict[str, int]:
    """The floor of every room, counted from the ground: one more than the highest that it imports from."""
    below: dict[str, set[str]] = {}
    for here, targets in imports(source).items():
        if here:
            below.setdefault(room(here), set()).update(room(each) for each in targets if room(each) != room(here))
    height: dict[str, int] = {}

    def measure(name: str) -> int:
        if name not in height:
            height[name] = 1 + max((measure(each) for each in below[name]), default=0)
        return height[name]

    return {name: measure(name) for name in sorted(below)}


def circles(graph: Graph) -> list[list[str]]:
    """The groups of nodes that reach each other (strongly connected components of more than one node)."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(start: str, edges: Graph, out: list[str]) -> None:
        stack = [(start, iter(sorted(edges.get(start, ()))))]
        seen.add(start)
        while stack:
            others = stack[-1][1]
            following = next((each for each in others if each not in seen), None)
            if following is None:
                out.append(stack.pop()[0])
            else:
                seen.add(following)
                stack.append((following, iter(sorted(edges.get(following, ())))))

    for node in sorted(graph):
        if node not in seen:
            visit(node, graph, order)
    backward: dict[str, set[str]] = {}
    for node, others in graph.items():
        for each in others:
            backward.setdefault(each, set()).add(node)
    seen.clear()
    groups = []
    for node in reversed(order):
        if node not in seen:
            groups.append(group := [])
            visit(node, backward, group)
    return [sorted(group) for group in groups if len(group) > 1]


def cut(graph: Graph, place: Mapping[str, str]) -> dict[str, set[str]]:
    """The graph between the places that modules lie in; what lies nowhere (an empty place) is left out."""
    smaller: dict[str, set[str]] = {}
    for here, targets in graph.items():
        if place[here]:
            found = {place[there] for there in targets} - {place[here], ""}
            smaller.setdefault(place[here], set()).update(found)
    return smaller


def circles_of_files(source: Path) -> list[list[str]]:
    return circles(imports(source))


def circles_of_folders(source: Path) -> list[list[str]]:
    """Circles among folders, each with its own files as one node; files at the root belong to none."""
    return circles(cut(imports(source), {each.name: each.folder for each in modules(source).values()}))


def circles_at_depth(source: Path, depth: int) -> list[list[str]]:
    """Circles among folders where everything deeper than `depth` counts as the folder at that depth."""
    folders = {each.name: ".".join(each.folder.split(".")[:depth]) for each in modules(source).values()}
    return circles(cut(imports(source), folders))


def foreign_imports(source: Path, folder: str, libraries: Iterable[str], own: Iterable[str]) -> list[str]:
    """Imports below `folder` that are neither of these libraries, the standard library, nor these rooms of ours."""
    allowed, found = {*libraries, *sys.stdlib_module_names}, []
    for module in below(source, folder):
        for origin, name in imported(module):
            if room(origin) == source.name:
                if room(f"{origin}.{name}".removeprefix(f"{source.name}.")) not in set(own):
                    found.append(f"{module.name} imports {origin}")
            elif room(origin) not in allowed:
                found.append(f"{module.name} imports {origin}")
    return found


def below(source: Path, folder: str) -> list[Module]:
    return [each for each in modules(source).values() if f"{each.name}.".startswith(f"{folder}.")]


def imports_of_rooms(source: Path, folder: str, refused: Iterable[str]) -> list[str]:
    """Imports below `folder` of something in the refused rooms."""
    graph, names = imports(source), set(refused)
    pairs = ((each.name, there) for each in below(source, folder) for there in sorted(graph[each.name]))
    return [f"{here} imports {there}" for here, there in pairs if room(there) in names]


def imports_of_libraries(source: Path, folder: str, libraries: Iterable[str]) -> list[str]:
    """Imports below `folder` of one of these libraries."""
    names = set(libraries)
    pairs = ((each.name, origin) for each in below(source, folder) for origin, _ in imported(each))
    return [f"{here} imports {there}" for here, there in pairs if room(there) in names]


def silent_modules(source: Path) -> list[str]:
    """Modules and packages without a docstring whose first line is a sentence."""
    texts = {each.name: (ast.get_docstring(each.tree) or "").strip() for each in modules(source).values()}
    return [name or source.name for name, text in texts.items() if not text or not text.splitlines()[0].strip()]


def full_folders(source: Path) -> list[str]:
    counts = Counter(each.folder for each in modules(source).values() if not each.is_package)
    return [f"{name}: {count} modules" for name, count in counts.items() if count > MODULES_A_FOLDER]


def long_files(source: Path) -> list[str]:
    return [f"{each.name}: {each.lines} lines" for each in modules(source).values() if each.lines > FILE_LINES]


def long_functions(source: Path) -> list[str]:
    found = []
    for module in modules(source).values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    found.append(f"{module.name}.{node.name}: {lines} lines")
    return found


def repeated_classes(source: Path) -> list[str]:
    """Class names that several modules define."""
    homes: dict[str, list[str]] = {}
    for module in modules(source).values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(module.name)
    return [f"{name}: {', '.join(places)}" for name, places in sorted(homes.items()) if len(places) > 1]


def empty_words(source: Path) -> list[str]:
    """Modules and folders whose name says nothing."""
    return [name for name in modules(source) if set(name.split(".")) & FORBIDDEN_NAMES]


def spelled_literals(source: Path, names: Iterable[str], home: str) -> list[str]:
    """Names that stand as string literals, or as parts of a path in one, in another module than their home."""
    wanted, found = set(names), []
    for module in modules(source).values():
        if module.name == home:
            continue
        words = {id(node) for node in (*documentation(module.tree), *asked_keys(module.tree))}
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words:
                found += [f"{module.name}:{node.lineno}: {each}" for each in wanted & set(node.value.split("/"))]
    return sorted(found)


def documentation(tree: ast.AST) -> Iterator[ast.Constant]:
    """The string constants that stand alone: docstrings and texts behind attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def asked_keys(tree: ast.AST) -> Iterator[ast.expr]:
    """The first arguments of `.get(…)` and `.pop(…)`: keys of a mapping, no names of files."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
            yield from node.args[:1]
