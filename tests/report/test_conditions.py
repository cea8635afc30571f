"""Conditions of --where; the page's filter is held to the same table in test_html_browser."""

import pytest

from runner.report.report import build_report
from runner.report.runs import RunRecord, find_runs
from tests.support.conditions import CASES, write_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[RunRecord]:
    return find_runs([write_runs(tmp_path_factory.mktemp("conditions"))])


@pytest.mark.parametrize(("condition", "kept"), CASES)
def test_a_condition_keeps_the_runs_for_which_it_holds(runs, condition, kept):
    report = build_report(runs, where=[condition], group=False)
    assert "".join(sorted(row.runs[0].name for row in report.rows)) == kept
