"""python -m runner list: what can be chosen."""

import argparse
import fnmatch
from collections.abc import Sequence

from runner.cli.columns import print_columns
from runner.config import catalog
from runner.errors import RunnerError, did_you_mean

DESCRIPTION = "Lists the groups, or the choices of one group with each file's first header line and kind of data."
EXAMPLE = "example:\n  python -m runner list model '*net*'"


def main(arguments: Sequence[str]) -> int:
    """Print one table; raises RunnerError for an unknown group or a pattern that matches nothing."""
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
        print_columns([(group, ", ".join(choices)) for group, choices in known.items()])
        return 0
    if options.group not in known:
        raise RunnerError(
            f"{options.group}: there is no such group.{did_you_mean(options.group, known)} Known: {', '.join(known)}."
        )
    choices = known[options.group]
    names = fnmatch.filter(choices, options.pattern)
    if not names:
        raise RunnerError(f"{options.group} {options.pattern}: nothing matches; there are {', '.join(choices)}.")
    print_columns([(name, described(choices[name])) for name in names])
    return 0


def described(choice: catalog.Choice) -> str:
    """Return the first line of the header; of data, networks and tasks also the kind of data, in brackets."""
    kinds = catalog.kinds(choice.path)
    return f"{choice.what} [{', '.join(kinds)}]" if kinds else choice.what
