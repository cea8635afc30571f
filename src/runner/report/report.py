"""The report: what differs between runs and what came of it, one row a run or a group of runs with other seeds."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from runner.errors import RunnerError, join_errors
from runner.report.conditions import conditions, known_names, known_quantities, known_settings, resolve
from runner.report.differences import SEED, differing_columns, label, with_places
from runner.report.final import with_final
from runner.report.quantities import is_cost, quantities, worth_showing
from runner.report.ranking.outcome import quantity
from runner.report.ranking.selection import usual_metric, words
from runner.report.rows import ReportRow, best_of_each, group_seeds, make_row, ranked
from runner.report.run_record import DONE, value_of
from runner.report.runs import RunRecord
from runner.report.statistic import Statistic

__all__ = ["Report", "ReportRow", "Statistic", "build_report", "label"]

MODES = ("max", "min")


@dataclass(frozen=True)
class Report:
    """Content of a table, a file or a page.

    Attributes:
        rows: best first; those without the metric last.
        metric: what the rows are ranked by; empty where no run measured anything.
        mode: `max` or `min`: which is best.
        columns: groups (`model`) and dotted keys (`optimizer.lr`) that differ; see `label` for their short names.
        metrics: what to show, the ranking metric first.
        ranked_by: the metric, whose it is and which of its ends is best, in words; empty as `metric` is.
        others: runs that are not done.
        repeats: finished runs with the same configuration and seed as a newer one, which alone counts.
    """

    rows: list[ReportRow]
    metric: str
    mode: str
    columns: list[str]
    metrics: list[str]
    others: list[RunRecord]
    repeats: list[RunRecord] = field(default_factory=list)
    ranked_by: str = ""


def build_report(
    runs: Sequence[RunRecord],
    *,
    metric: str | None = None,
    columns: Sequence[str] | None = None,
    where: Sequence[str] = (),
    best_per: str | None = None,
    group: bool = True,
) -> Report:
    """Compare the runs that are done.

    Args:
        metric: what to rank by, `NAME`, `NAME:max` or `NAME:min`; by default what the runs were watched by on
            validation data (after compression, where there was one), or its mean over folds. Test data decides only
            where it is asked for.
        columns: settings and metrics to show, instead of all settings that differ and the usual metrics.
        where: conditions on runs, such as `optimizer.lr=0.01` or `test/accuracy>0.9`; all must hold.
        best_per: keep the best row of each value of this setting only.
        group: put runs that differ in their seed only into one row.

    Raises:
        RunnerError: a name that no run has, or a condition that is none.
    """
    runs = with_final(runs)
    refuse_mistakes(runs, metric, columns or (), where, best_per)
    wanted = conditions(where, known_names(runs))
    kept = [run for run in runs if all(each.holds(run) for each in wanted)]
    done = with_places([run for run in kept if run.state == DONE])
    places = {run.path for run in kept}
    others = [run for run in runs if run.state != DONE and (run.path in places or not run.settings)]
    name, mode = sorting(done, metric)
    differing = differing_columns(done)
    settings, shown = asked_for(columns, runs, differing, worth_showing(list(map(quantities, done)), name))
    rows, repeats = group_seeds(done, differing) if group else ([(run,) for run in done], [])
    if not any(len(row) > 1 for row in rows) and len({value_of(run, SEED) for run in done}) > 1 and columns is None:
        settings = [*settings, SEED]
    ordered = ranked([make_row(row, settings) for row in rows], name, mode)
    if best_per is not None:
        ordered = best_of_each(ordered, resolve(best_per, known_settings(runs), "--best-per"))
    by = told(done, name, mode, asked=metric is not None)
    return Report(ordered, name, mode, settings, shown, others, repeats, by)


def told(runs: Sequence[RunRecord], name: str, mode: str, *, asked: bool) -> str:
    """Return by what runs are ranked, in words; empty where nothing was measured."""
    having = [run.settings for run in runs if name in quantities(run)]
    return words(name, mode, having, asked=asked) if having else ""


def refuse_mistakes(
    runs: Sequence[RunRecord], metric: str | None, columns: Sequence[str], where: Sequence[str], best_per: str | None
) -> None:
    """Raise one RunnerError for everything that no run has, and for what is no condition."""
    known, settings, numbers = known_names(runs), known_settings(runs), known_quantities(runs)
    checks: list[Callable[[], object]] = [partial(conditions, [text], known) for text in where]
    checks += [partial(resolve, name, known, "--columns") for name in columns]
    checks += [partial(resolve, best_per, settings, "--best-per")] if best_per is not None else []
    checks += [partial(direction, metric, numbers)] if metric is not None and numbers else []
    messages = []
    for check in checks:
        try:
            check()
        except RunnerError as error:
            messages.append(str(error))
    if messages:
        raise join_errors(messages)


def sorting(runs: Sequence[RunRecord], asked: str | None) -> tuple[str, str]:
    """Return the metric to rank by, and whether its highest or its lowest value is best."""
    monitors = Counter((run.settings.get("task.monitor"), run.settings.get("task.monitor_mode")) for run in runs)
    modes = {quantity(str(monitor)): str(mode) for (monitor, mode), _ in monitors.items() if mode in MODES}
    known = known_quantities(runs)
    if asked is None:
        monitored = [str(monitor) for (monitor, _), _ in monitors.most_common() if monitor]
        name, mode = usual_metric(monitored, known), ""
    else:
        name, mode = direction(asked, known)
    return name, mode or modes.get(quantity(name)) or ("min" if is_cost(name) else "max")


def direction(asked: str, known: Sequence[str]) -> tuple[str, str]:
    """Split `test/loss:min` into its parts, the name in full; the second is empty where nothing was said.

    Raises:
        RunnerError: no run has the metric, or the direction is none.
    """
    name, _, mode = asked.partition(":")
    if mode and mode not in MODES:
        raise RunnerError(f"--metric {asked}: write {name}:max or {name}:min.")
    return (resolve(name, known, "--metric") if known else name), mode


def asked_for(
    names: Sequence[str] | None, runs: Sequence[RunRecord], differing: list[str], usual: list[str]
) -> tuple[list[str], list[str]]:
    """Return the settings and the metrics to show, the sorting metric always; the usual ones of an unasked kind."""
    full = [resolve(name, known_names(runs), "--columns") for name in names or ()]
    settings = {*known_settings(runs)}
    chosen = [name for name in full if name in settings]
    shown = [name for name in full if name not in settings]
    return chosen or differing, list(dict.fromkeys([*usual[:1], *shown])) if shown else usual
