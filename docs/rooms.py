"""The picture of rooms: docs/rooms.svg, drawn from what the packages of src/runner import. Run by: make docs."""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "src" / "runner"
PICTURE = HERE / "rooms.svg"
WIDTH, MARGIN, TITLE = 1000, 24, 44
ROOM_HEIGHT, FLOOR_HEIGHT, GAP, LANE = 46, 84, 26, 18
LETTER, SMALL_LETTER = 8.8, 5.9  # widths in pixels of the two sizes of text, generously
STYLE = """
  .ground { fill: #ffffff } .title { fill: #57606a; font: 13px sans-serif }
  .room { fill: #eaf2fb; stroke: #2f6db3 } .module { fill: #f6f8fa; stroke: #8c959f }
  .name { fill: #1f2328; font: bold 15px sans-serif } .inside { fill: #57606a; font: 11px sans-serif }
  .arrow { fill: none; stroke: #8c959f; stroke-width: 1.3 } .head { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } .title { fill: #9198a1 }
    .room { fill: #14263d; stroke: #5a9ae6 } .module { fill: #161b22; stroke: #6e7681 }
    .name { fill: #f0f6fc } .inside { fill: #9198a1 }
    .arrow { stroke: #6e7681 } .head { fill: #6e7681 }
  }
"""

Graph = dict[str, set[str]]


@dataclass
class Place:
    """A room on its floor, or (without a name) the lane of an arrow that passes the floor."""

    name: str | None
    width: float
    x: float = 0.0
    below: list["Place"] = field(default_factory=list)
    above: list["Place"] = field(default_factory=list)


def room_of(file: Path) -> str:
    """Return the package or module below `runner` that a file belongs to."""
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(file: Path) -> Iterator[str]:
    """Yield the rooms that a file imports anywhere in it; `import_module(f"runner.stages.{…}")` counts as well."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "runner":
            names = [f"runner.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            names = named(node)
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("runner."))


def named(call: ast.Call) -> list[str]:
    """Return how the name begins that `import_module` is called with; nothing for other calls."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    if function != "import_module" or not isinstance(call.args[0], ast.JoinedStr):
        return []
    return [part.value for part in call.args[0].values[:1] if isinstance(part, ast.Constant)]


def read_graph() -> Graph:
    """Return for each room the others that it imports."""
    files = [file for file in sorted(SOURCE.rglob("*.py")) if room_of(file) != "__init__"]
    graph: Graph = {room_of(file): set() for file in files}
    for file in files:
        graph[room_of(file)] |= {there for there in imported_rooms(file) if there in graph} - {room_of(file)}
    return graph


def floors_of(graph: Graph) -> dict[str, int]:
    """Return the floor of each room: one above the highest that it imports, counted from 0."""
    floors: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> int:
        if name in path:
            raise SystemExit(f"The rooms import each other in a circle: {' -> '.join([*path, name])}")
        if name not in floors:
            floors[name] = 1 + max((visit(each, (*path, name)) for each in sorted(graph[name])), default=-1)
        return floors[name]

    for name in sorted(graph):
        visit(name, ())
    return floors


def without_shortcuts(graph: Graph) -> Graph:
    """Return the graph without the arrows that a longer path implies (its transitive reduction)."""
    reach: Graph = {}

    def reached(name: str) -> set[str]:
        if name not in reach:
            reach[name] = graph[name].union(*(reached(each) for each in graph[name]))
        return reach[name]

    return {name: below - set().union(*(reached(each) for each in below)) for name, below in graph.items()}


def inside(room: str) -> str:
    """Return the names of the folders in a room, for its second line."""
    folders = (path.parent.name for path in sorted(SOURCE.glob(f"{room}/*/__init__.py")))
    return " · ".join(folders)


def room_width(name: str) -> float:
    """Return the pixels that a room's two lines of text need."""
    return max(LETTER * len(name), SMALL_LETTER * len(inside(name)), 52) + 24


def placed(graph: Graph, floors: dict[str, int]) -> list[list[Place]]:
    """Return the floors from the ground up, arrows over several floors with a lane on each, ordered and with `x`."""
    house: list[list[Place]] = [[] for _ in range(max(floors.values()) + 1)]
    rooms = {name: Place(name, room_width(name)) for name in sorted(graph)}
    for name, place in rooms.items():
        house[floors[name]].append(place)
    for name in sorted(graph):
        for other in sorted(graph[name]):
            lanes = [Place(None, LANE) for _ in range(floors[name] - floors[other] - 1)]
            for floor, lane in zip(range(floors[name] - 1, floors[other], -1), lanes, strict=True):
                house[floor].append(lane)
            for upper, lower in pairwise([rooms[name], *lanes, rooms[other]]):
                upper.below.append(lower)
                lower.above.append(upper)
    arrange(house)
    return house


def arrange(house: list[list[Place]]) -> None:
    """Order every floor by where its neighbours stand, in a few passes down and up (the barycentre method)."""
    for floor in house:
        spread(floor)
    for number in range(24):
        down = number % 2 == 0
        for floor in reversed(house) if down else house:
            wanted = {id(place): middle(place.above if down else place.below, place.x) for place in floor}
            floor.sort(key=lambda place: (wanted[id(place)], place.name or ""))
            spread(floor)


def middle(places: Iterable[Place], otherwise: float) -> float:
    """Return the mean `x` of places."""
    all_x = [place.x for place in places]
    return sum(all_x) / len(all_x) if all_x else otherwise


def spread(floor: list[Place]) -> None:
    """Give the places of a floor their centres, evenly about the middle of the picture."""
    taken = sum(place.width for place in floor)
    gap = min(2.5 * GAP, (WIDTH - 2 * MARGIN - taken) / max(len(floor) - 1, 1))
    x = (WIDTH - taken - gap * (len(floor) - 1)) / 2
    for place in floor:
        place.x = round(x + place.width / 2, 1)
        x += place.width + gap


def draw(graph: Graph) -> str:
    """Return the picture as SVG, the same for the same imports."""
    house = placed(without_shortcuts(graph), floors_of(graph))
    height = TITLE + FLOOR_HEIGHT * len(house) - (FLOOR_HEIGHT - ROOM_HEIGHT) + MARGIN
    tops = [TITLE + FLOOR_HEIGHT * (len(house) - 1 - floor) for floor in range(len(house))]
    title = "Each room imports only what lies below it; arrows that a longer path implies are left out."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>The rooms of src/runner</title><style>{STYLE}</style>",
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0 8 4 0 8z"/></marker>',
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>',
        f'<text class="title" x="{MARGIN}" y="27">{title}</text>',
    ]
    for floor, places in enumerate(house):
        lines += [arrow(place, tops, floor) for place in places if place.name and place.below]
    for floor, places in enumerate(house):
        lines += [room(place.name, place.x, place.width, tops[floor]) for place in places if place.name]
    return "\n".join([*lines, "</svg>", ""])


def arrow(start: Place, tops: list[int], floor: int) -> str:
    """Return the arrows from a room to what it imports, each along its lanes."""
    drawn = []
    for step in start.below:
        x, y, level = start.x, tops[floor] + ROOM_HEIGHT, floor
        path, place = [f"M{x} {y}"], step
        while True:
            level -= 1
            end, half = tops[level], (FLOOR_HEIGHT - ROOM_HEIGHT) / 2
            path.append(f"C{x} {y + half} {place.x} {end - half} {place.x} {end}")
            if place.name:
                break
            path.append(f"V{end + ROOM_HEIGHT}")
            x, y, place = place.x, end + ROOM_HEIGHT, place.below[0]
        drawn.append(f'<path class="arrow" marker-end="url(#head)" d="{"".join(path)}"/>')
    return "\n".join(drawn)


def room(name: str, x: float, width: float, top: int) -> str:
    """Return a room with its name and the folders in it; a single module has another colour."""
    folders, kind = inside(name), "room" if (SOURCE / name).is_dir() else "module"
    line = top + (20 if folders else 28)
    box = f'<rect class="{kind}" x="{x - width / 2:.1f}" y="{top}" width="{width:.1f}" height="{ROOM_HEIGHT}" rx="6"/>'
    text = f'<text class="name" x="{x}" y="{line}" text-anchor="middle">{name}</text>'
    below = f'<text class="inside" x="{x}" y="{line + 16}" text-anchor="middle">{folders}</text>' if folders else ""
    return box + text + below


if __name__ == "__main__":
    PICTURE.write_text(draw(read_graph()), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.relative_to(HERE.parent)}\n")
