"""Which runs of a sweep are tested: all, the winner alone once everything is chosen, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from runner.config.compose import Composed
from runner.report.report import build_report
from runner.report.run_record import DONE
from runner.report.runs import read_run

ALL, WINNER, NONE = "all", "winner", "none"
# What looks at test data.
LOOKING = ("test", "predict")
FOLDS = "cross_validate"


def held_stages(config: Mapping[str, Any], *, needed: bool) -> list[str]:
    """Return the stages that a job puts off where only the winner is tested, or none is.

    Those that look at test data. With folds all but the cross-validation that it is chosen by, unless another job
    starts from its weights or learns from its network: it is `needed`.
    """
    stages = [str(each) for each in dict.fromkeys(config["stages"])]
    folds = bool(config["cross_validation"]["folds"]) and bool({"fit", FOLDS} & {*stages})
    if folds and not needed:
        return [each for each in stages if each != FOLDS]
    return [each for each in stages if each in LOOKING]


def holding(composed: Composed, held: Sequence[str]) -> Composed:
    """Return the same configuration with these stages put off."""
    config = composed.config.copy()
    OmegaConf.update(config, "runner.hold", list(held), force_add=True)
    return replace(composed, config=config, overrides=[*composed.overrides, override(held)])


def override(held: Sequence[str]) -> str:
    """Return the override that puts stages off."""
    return f"runner.hold=[{','.join(held)}]"


def best_row(directories: dict[int, Path]) -> tuple[list[int], str]:
    """Return the numbers of the runs of the best row of a sweep, and by what it is the best.

    Several runs where they differ in their seed only. Empty where no run measured anything.
    """
    runs = {number: read_run(path.resolve()) for number, path in directories.items()}
    done = [run for run in runs.values() if run.state == DONE]
    report = build_report(done) if done else None
    if report is None or not any(report.metric in run.metrics for run in report.rows[0].runs):
        return [], ""
    numbers = {run.path: number for number, run in runs.items()}
    return sorted(numbers[run.path] for run in report.rows[0].runs), report.ranked_by
