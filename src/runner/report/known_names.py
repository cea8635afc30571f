"""Names that can be asked for: choices, settings, metrics."""

from collections.abc import Iterable, Sequence

from runner.errors import RunnerError, did_you_mean
from runner.report.differences import shortest
from runner.report.quantities import quantities
from runner.report.runs import RunRecord


def known_settings(runs: Iterable[RunRecord]) -> list[str]:
    """Return the groups and dotted keys of these runs."""
    return list(dict.fromkeys(name for run in runs for name in (*run.choices, *run.settings)))


def known_quantities(runs: Iterable[RunRecord]) -> list[str]:
    """Return the metrics of these runs, and all else that can be shown as a number."""
    return list(dict.fromkeys(name for run in runs for name in quantities(run)))


def known_names(runs: Sequence[RunRecord]) -> list[str]:
    """Return every name that --where and --columns understand."""
    return list(dict.fromkeys([*known_settings(runs), *known_quantities(runs)]))


def resolve(name: str, known: Sequence[str], option: str) -> str:
    """Return the full name of what was asked for; `lr` will do for `optimizer.lr` where nothing else ends so.

    Raises:
        RunnerError: no run has it, or several things are called so.
    """
    if name in known:
        return name
    ends = [full for full in known if shortest(full) == name]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise RunnerError(f"{option} {name}: could be {', '.join(ends)}; write it in full.")
    raise RunnerError(f"{option} {name}: no run has it.{did_you_mean(name, known) or examples(known)}")


def examples(known: Sequence[str]) -> str:
    """Return a few of the names."""
    return f" There are {', '.join(known[:8])}, …" if known else ""
