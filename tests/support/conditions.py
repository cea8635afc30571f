"""Conditions on three runs and which of them satisfy each: `report --where` and the page's filter are held to these."""

from pathlib import Path
from typing import Any

from tests.support.written_runs import writer

# What tells the runs a, b and c apart; c lacks two of the settings and the metric by which they are ranked.
RUNS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "a": ({"optimizer.lr": 0.01, "size": "8", "hidden": [64, 32], "limit": None, "tag": "One"}, {"val/accuracy": 0.9}),
    "b": ({"optimizer.lr": 0.1, "size": "16", "hidden": [8], "limit": 3, "tag": "two"}, {"val/accuracy": 0.8}),
    "c": ({"optimizer.lr": 1.0, "size": "32", "flag": True}, {"test/loss": 2.0}),
}
CASES = [
    ("optimizer.lr=0.01", "a"),
    ("optimizer.lr=1e-2", "a"),
    ("lr==0.1", "b"),
    ("lr!=0.1", "ac"),
    ("lr<=0.1", "ab"),
    ("lr>0.1", "c"),
    ("size>8", "bc"),
    ("size=16.0", "b"),
    ("hidden=[64,32]", "a"),
    ("hidden!=[64,32]", "bc"),
    ("hidden>3", ""),
    ("limit=null", "a"),
    ("limit!=3", "ac"),
    ("limit<4", "b"),
    ("flag=true", "c"),
    ("flag!=true", "ab"),
    ("tag=One", "a"),
    ("tag=one", ""),
    ("tag='two'", "b"),
    ("tag!=two", "ac"),
    ("val/accuracy>0.85", "a"),
    ("accuracy>=0.8", "ab"),
    ("val/accuracy!=0.9", "bc"),
    ("test/loss<3", "c"),
]


def write_runs(root: Path) -> Path:
    """Write the three runs below `root`, each named by its letter."""
    write = writer(root)
    for name, (settings, metrics) in RUNS.items():
        write(settings={**settings, "name": name}, metrics=metrics, place=name, name=name)
    return root
