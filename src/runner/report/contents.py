"""Runs on data of the user's own: what its files hold is told by where they lie, as the user knows them."""

from collections.abc import Sequence
from dataclasses import replace

from runner.report.runs import RunRecord
from runner.tracking.identity import CONTENT

ROOT = "data.root"
DIGITS = 6


def with_places(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs, with a place for each content: where the newest run with that content found it.

    Runs with the same files share it, wherever each of them had these files. Where one place held several contents,
    the content stands behind it.
    """
    places: dict[str, str] = {}
    for run in sorted(runs, key=lambda run: run.started or 0.0):
        if content := run.settings.get(CONTENT):
            places[str(content)] = str(run.settings.get(ROOT, content))
    if len(places) < 2:
        return list(runs)
    shown = {
        content: f"{place} ({content[:DIGITS]})" if list(places.values()).count(place) > 1 else place
        for content, place in places.items()
    }
    return [
        replace(run, settings={**run.settings, CONTENT: shown[str(content)]})
        if (content := run.settings.get(CONTENT))
        else run
        for run in runs
    ]
