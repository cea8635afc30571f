"""python -m runner smoke: every legal pair of network and data, and every way to compress, in a tiny run each."""

import argparse
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.table import Table

from runner.compression.methods import GROUPS, METHODS
from runner.config import overrides
from runner.data.offline import offline
from runner.errors import EXIT_USER_ERROR, RunnerError
from runner.sweep.jobs import Planner, SweepJob
from runner.sweep.plan import Plan
from runner.sweep.record import DONE, Entry, Sweep
from runner.sweep.start import enter
from runner.tracking.console import console, shortest

DESCRIPTION = (
    "Trains and tests every network on every data that it takes, two batches each, and then every way to make a "
    "network smaller on one of them. Nothing is downloaded: data that is not there is refused. Ends in a table of what "
    "ran, what failed, and what was refused and why."
)
EXAMPLE = """example:
  python -m runner smoke
  python -m runner smoke --config-dir my_conf model=my_net"""
SMOKE = ("mode=smoke", "trainer=cpu", "logger=csv")
COMPRESSED = ("model=cnn", "data=digits", "benchmark.batch_sizes=[1]", "export.formats=[program]")
RAN, FAILED, REFUSED = "ran", "failed", "refused"
EXIT_FAILED = 1


def main(arguments: Sequence[str]) -> int:
    """Run it; 0 where nothing failed."""
    parser = argparse.ArgumentParser(
        "python -m runner smoke",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", help="for every run; model=a,b or data=a,b keep to these")
    parser.add_argument("--config-dir", "-cd", help="a directory of your own with further choices")
    options = parser.parse_args(arguments)
    planner = Planner(options.config_dir)
    jobs = [planner.job(0, overrides.parse(texts)[0], VARYING) for texts in combinations(planner, options.overrides)]
    if not jobs:
        raise RunnerError(
            "0 runs: no network of these takes any of these data. See: python -m runner list model; … list data"
        )
    legal = [job.numbered(number, None) for number, job in enumerate(job for job in jobs if not job.mistakes)]
    refused = {job.title: " ".join(job.mistakes) for job in jobs if job.mistakes}
    sweep = run(legal, options.config_dir)
    entries = [sweep.entries[job.number] for job in legal]
    show(sweep, entries, refused)
    return EXIT_FAILED if any(outcome(entry) == FAILED for entry in entries) else os.EX_OK


VARYING = ("model", "data", *GROUPS)


def combinations(planner: Planner, texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the command lines.

    Pairs whose kinds of data fit (others are no combinations), then ways to make one smaller.
    """
    chosen, _ = overrides.parse(texts)
    named = {each.key: each for each in chosen if each.key in ("model", "data")}
    rest = [each.text for each in chosen if each.key not in named]

    def names(group: str) -> list[str]:
        if group not in named:
            return list(planner.known[group])
        each = named[group]
        values = overrides.single_values(each, planner.known) if each.sweeps else [each]
        return [str(value.value) for value in values]

    for model in names("model"):
        takes = declared(planner, "model", model).get("takes")
        for data in names("data"):
            kind = declared(planner, "data", data).get("kind")
            if takes is None or kind is None or kind in takes:
                yield [f"model={model}", f"data={data}", *SMOKE, *rest]
    if not named:
        for method in METHODS:
            for choice in planner.known[method.group]:
                if choice != "none":
                    yield [*COMPRESSED, *method.beside, f"{method.group}={choice}", *SMOKE, *rest]


def declared(planner: Planner, group: str, name: str) -> dict[str, Any]:
    """Return what a choice's file says by itself."""
    choice = planner.known[group].get(name)
    content: Any = OmegaConf.to_container(OmegaConf.load(choice.path)) if choice is not None else {}
    return dict(content or {})


def run(jobs: Sequence[SweepJob], config_dir: str | None) -> Sweep:
    """Run all of them, one after another in this process."""
    from runner.sweep.execution import Execution
    from runner.sweep.launchers.in_process import InProcess

    now = datetime.now()
    sweep = Sweep(Path("outputs") / "smoke" / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}", ["smoke"])
    settings: dict[str, Any] = {"skip_done": True, "retry_failed": False, "on_error": "continue", "search": None}
    plan = Plan(["smoke"], config_dir, settings, {}, None, sweep.path, True, list(jobs), [])
    with sweep.locked(), offline():
        Execution(plan, sweep, InProcess(), outcome).run(enter(sweep, jobs))
    return sweep


def outcome(entry: Entry) -> str:
    """Return how a run ended; one that said in a message what it lacks did not break."""
    if entry.state == DONE:
        return RAN
    return REFUSED if entry.exit_status == EXIT_USER_ERROR else FAILED


def show(sweep: Sweep, entries: Sequence[Entry], refused: dict[str, str]) -> None:
    """The closing table: what ran, what failed, what was refused and why."""
    table = Table(box=None, pad_edge=False)
    for name in ("run", "came out", "seconds", "why"):
        table.add_column(name, justify="right" if name == "seconds" else "left")
    for entry in entries:
        word = outcome(entry)
        seconds = (sweep.status(entry.number).get("seconds") or {}).values()
        table.add_row(entry.title, word, f"{sum(seconds):.1f}" if word == RAN else "", entry.error)
    for title, reason in refused.items():
        table.add_row(title, REFUSED, "", reason)
    console.print(table)
    words = [outcome(entry) for entry in entries]
    counts = f"{words.count(RAN)} ran, {words.count(FAILED)} failed, {words.count(REFUSED) + len(refused)} were refused"
    console.print(f"{counts}; in {shortest(sweep.path.resolve())}", soft_wrap=True)
