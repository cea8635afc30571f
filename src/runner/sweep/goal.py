"""A goal among the recipes of a sweep: those that promise most are tried first, until one is good enough."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from runner.compression.methods import GROUPS
from runner.files import write_json
from runner.files.reading import parse_json, read_bytes
from runner.report.ranking.outcome import validation_name
from runner.sweep.execution import Execution
from runner.sweep.jobs import SweepJob
from runner.sweep.record import DONE, SKIPPED, Sweep
from runner.tracking import layout
from runner.tracking.console import console, shortest

FILE = "goal.json"
GAINS = {"size": "gain/size", "latency": "gain/speed/batch_"}


@dataclass(frozen=True)
class RecipeTrial:
    """One recipe that was tried.

    Attributes:
        promised: the share of bytes or time that it was expected to leave; they are tried in this order.
        drop: of the monitored metric on validation data (training data where there is none), in percentage points (of
            a metric that is no share: in percent of the float network's); None where the run failed.
        left: the share of bytes or time that it left; None where that was not measured.
        met: whether it is good enough, and smaller (or faster) at all.
    """

    job: int
    recipe: str
    promised: float
    drop: float | None
    left: float | None
    met: bool


def pursue(runner: Execution, jobs: Sequence[SweepJob]) -> None:
    """Try the recipes for each trained network in the order of their promise; notes whether all goals are met.

    One after another whatever the launcher could do: the next is only wanted where the last was not good enough. All
    that was tried is written to `goal.json` in the sweep's directory.
    """
    planned, record = runner.planned, runner.record
    assert planned.goal is not None
    found: dict[str, list[RecipeTrial]] = {}
    for trained in {job.needs: None for job in jobs if job.needs is not None}:
        recipes = [job for job in jobs if job.needs == trained]
        found[runner.jobs[trained].title] = try_in_turn(planned.goal, record, runner, recipes)
    rows = {title: [asdict(trial) for trial in trials] for title, trials in found.items()}
    write_json(record.path / FILE, {"goal": planned.goal, "tried": rows})
    for title, trials in found.items():
        show(planned.goal, title, trials)
    console.print(f"All that was tried: {shortest((record.path / FILE).resolve())}", soft_wrap=True)
    runner.goal_met = all(trials and trials[-1].met for trials in found.values())
    runner.chosen = [trials[-1].job for trials in found.values() if trials and trials[-1].met]


def try_in_turn(
    goal: dict[str, Any], record: Sweep, runner: Execution, recipes: Sequence[SweepJob]
) -> list[RecipeTrial]:
    """Run recipes until one meets the goal; those behind it are not needed, and are noted as left out."""
    trials: list[RecipeTrial] = []
    for job in sorted(recipes, key=lambda job: promised(job, goal["minimise"])):
        if trials and trials[-1].met:
            runner.jobs.pop(job.number)
            if record.refresh(job.number) != DONE:
                record.entries[job.number].state = SKIPPED
                record.entries[job.number].error = f"not needed: {trials[-1].recipe} meets the goal"
            continue
        if (ready := runner.ready(job)) is not None:
            runner.run_all([ready])
            trials.append(judged(goal, record, job))
    record.save()
    return trials


def promised(job: SweepJob, minimise: str) -> float:
    """Return the share of bytes or time that the methods of a job promise to leave.

    What their files declare, multiplied.
    """
    sections = [job.plain[group] for group in GROUPS] if job.plain is not None else []
    return math.prod(float((each.get("expected_ratio") or {}).get(minimise, 1.0)) for each in sections)


def judged(goal: dict[str, Any], record: Sweep, job: SweepJob) -> RecipeTrial:
    """Return what came of a recipe, by its result.json."""
    title, promise = job.title, promised(job, goal["minimise"])
    if record.refresh(job.number) != DONE or job.plain is None:
        return RecipeTrial(job.number, title, promise, None, None, False)
    metrics = parse_json(read_bytes(record.directory(job.number) / layout.RESULT))["metrics"]
    monitor, mode = job.plain["task"]["monitor"], job.plain["task"]["monitor_mode"]
    name = validation_name(metrics, monitor) or monitor
    # Without validation data both are measured on training data, and are called so.
    baseline = metrics.get("baseline/" + name.partition("/")[2])
    drop = None if baseline is None else points(baseline, metrics[name], larger=mode == "max")
    gains = [gain for name, gain in metrics.items() if name.startswith(GAINS[goal["minimise"]])]
    left = 1 / gains[-1] if gains else None
    met = drop is not None and drop <= goal["max_drop"] and left is not None and left < 1
    return RecipeTrial(job.number, title, promise, drop, left, met)


def points(baseline: float, value: float, *, larger: bool) -> float:
    """By how much a metric became worse: in percentage points of a share, otherwise in percent of the baseline."""
    worse = baseline - value if larger else value - baseline
    share = larger and min(baseline, value) >= 0 and max(baseline, value) <= 1
    return 100 * worse / (1.0 if share else abs(baseline) or 1.0)


def show(goal: dict[str, Any], title: str, trials: Sequence[RecipeTrial]) -> None:
    """The trials as a table, and which of them it is."""
    unit = {"size": "bytes left", "latency": "time left"}[goal["minimise"]]
    table = Table(box=None, pad_edge=False, title=f"Goal for {title}", title_justify="left")
    for heading in ("recipe", f"{unit}, promised", "measured", "drop", "met"):
        table.add_column(heading, justify="left" if heading in ("recipe", "met") else "right")
    for each in trials:
        left, drop = ("–" if value is None else f"{value:.2f}" for value in (each.left, each.drop))
        table.add_row(each.recipe, f"{each.promised:.2f}", left, drop, "yes" if each.met else "no")
    console.print(table)
    if trials and trials[-1].met:
        console.print(f"Goal met: {trials[-1].recipe}", markup=False, soft_wrap=True)
        return
    able = [each for each in trials if each.drop is not None]
    nearest = min(able, key=lambda each: each.drop or 0.0, default=None)
    words = f" The smallest drop, {nearest.drop:.2f}, was that of {nearest.recipe}." if nearest else ""
    allowed = f"compression.goal.max_drop={goal['max_drop']:g}"
    console.print(f"No recipe meets the goal ({allowed}).{words}", markup=False, style="bold red", soft_wrap=True)
