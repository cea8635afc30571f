"""python -m runner list: what can be chosen."""

import argparse
import fnmatch
import shutil
import sys
import textwrap
from collections.abc import Sequence

from runner.config import catalog
from runner.errors import RunnerError, did_you_mean

DESCRIPTION = "Lists the groups, or the choices of one group with the first line of each file's header."
EXAMPLE = "example:\n  python -m runner list model '*net*'"

# The second column is at least so wide, however narrow the terminal.
MINIMUM = 20


def main(arguments: Sequence[str]) -> int:
    """Prints one table; raises RunnerError for an unknown group or a pattern that matches nothing."""
    parser = argparse.ArgumentParser(
        "python -m runner list",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("group", nargs="?", help="a group, such as model; without it every group is listed")
    parser.add_argument("pattern", nargs="?", default="*", help="only choices that match, such as '*net*'")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own with further choices")
    options = parser.parse_args(arguments)
    known = catalog.choices(catalog.config_directories(options.config_dir))
    if options.group is None:
        show([(group, ", ".join(choices)) for group, choices in known.items()])
        return 0
    if options.group not in known:
        raise RunnerError(
            f"{options.group}: there is no such group.{did_you_mean(options.group, known)} Known: {', '.join(known)}."
        )
    choices = known[options.group]
    names = fnmatch.filter(choices, options.pattern)
    if not names:
        raise RunnerError(f"{options.group} {options.pattern}: nothing matches; there are {', '.join(choices)}.")
    show([(name, choices[name].what) for name in names])
    return 0


def show(rows: list[tuple[str, str]]) -> None:
    """Two columns; a line a row where the output goes to another tool, wrapped on a terminal."""
    indent = max(len(name) for name, _ in rows) + 2
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for name, text in rows:
        wrapped = textwrap.wrap(text, max(columns - indent, MINIMUM)) or [""]
        print(f"{name:<{indent}}{wrapped[0]}".rstrip())
        print("".join(f"{'':{indent}}{line}\n" for line in wrapped[1:]), end="")
