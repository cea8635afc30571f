"""python -m runner gc: shows and removes what failed or is superseded, checkpoints first."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from runner.cli.columns import print_columns, say
from runner.errors import RunnerError, join_errors
from runner.report.going_on.garbage import Garbage, garbage
from runner.report.going_on.outputs import size_of
from runner.report.going_on.removal import links_below, remove
from runner.report.quantities import size_words
from runner.report.runs import find_runs, runs_below
from runner.tracking.console import shortest

DESCRIPTION = (
    "Shows the runs that failed, and those that a newer run of the same identity repeats, and asks whether to remove "
    "their checkpoints; what they recorded stays. Never touched: a run that goes on, one that another run started from "
    "or was taught by, one that a link leads to, and whatever no run wrote."
)
EXAMPLE = "examples:\n  python -m runner gc outputs\n  python -m runner gc outputs --runs --yes"
OUTPUTS = Path("outputs")


def main(arguments: Sequence[str]) -> int:
    """Show what can go and remove it where that is wanted; raises RunnerError for a place without runs."""
    options = parser().parse_args(arguments)
    place: Path = options.place
    runs = find_runs([place])
    here = {run.path for run in runs}
    others = [run for run in runs_below(OUTPUTS) if run.path not in here] if OUTPUTS.is_dir() else []
    links = [*links_below(place), *(links_below(OUTPUTS) if OUTPUTS.is_dir() else ())]
    found = garbage(runs, links, stopped=options.interrupted, others=others)
    chosen = [each for each in found if each.checkpoints or (options.runs and each.whole)]
    if not chosen:
        say(f"{place}: nothing to remove among {len(runs)} runs.")
        return 0
    show(chosen, whole=options.runs)
    if options.yes or agreed(chosen, whole=options.runs):
        return carry_out(chosen, whole=options.runs)
    say("Nothing was removed.")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the options of this command."""
    result = argparse.ArgumentParser(
        "python -m runner gc",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("place", nargs="?", type=Path, default=OUTPUTS, metavar="DIRECTORY", help="where runs lie; without: outputs")
    add("--yes", "-y", action="store_true", help="remove without asking")
    add("--runs", action="store_true", help="then their directories too, but for jobs of sweeps")
    add("--interrupted", action="store_true", help="also what was interrupted or died, and could be resumed")
    return result


def freed(each: Garbage, *, whole: bool) -> int:
    """Return the bytes that removing it gives back."""
    return size_of(each.run.path) if whole and each.whole else sum(path.stat().st_size for path in each.checkpoints)


def show(found: Sequence[Garbage], *, whole: bool) -> None:
    """Print a line a run."""
    print_columns(
        [
            (
                str(shortest(each.run.path)),
                f"{size_words(freed(each, whole=whole))}  "
                f"{'the run' if whole and each.whole else 'its checkpoints'}: {each.why}",
            )
            for each in found
        ]
    )


def agreed(found: Sequence[Garbage], *, whole: bool) -> bool:
    """Ask; where nobody can answer, the answer is no."""
    total = size_words(sum(freed(each, whole=whole) for each in found))
    if not sys.stdin.isatty():
        say(f"{total} in {len(found)} runs: add --yes to remove it.")
        return False
    return input(f"Remove {total} in {len(found)} runs? [y/N] ").strip().lower() in ("y", "yes")


def carry_out(found: Sequence[Garbage], *, whole: bool) -> int:
    """Remove it, and go on past what can't be; raises RunnerError for all of that at the end."""
    removed, troubles = 0, []
    for each in found:
        size = freed(each, whole=whole)
        try:
            remove(each, whole=whole)
            removed += size
        except RunnerError as error:
            troubles.append(str(error))
    say(f"Removed {size_words(removed)}.")
    if troubles:
        raise join_errors(troubles)
    return 0
