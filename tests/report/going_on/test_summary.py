"""report.md: the page of a run says what its files say, of finished runs and of those that stopped."""

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from runner.report.going_on import summary as page
from runner.report.going_on.summary import drawn, neighbours, summary, write_summary
from runner.report.run_record import read_run
from tests.support.written_runs import status_writer, writer


def test_a_run_leaves_a_page_with_its_command_metrics_and_curves(digits_run):
    page = (digits_run / "report.md").read_text()
    result = json.loads((digits_run / "result.json").read_text())
    assert page.startswith("# cnn-digits\n\ndone\n")
    assert "    python -m runner model=cnn data=digits augmentation=none optimizer.lr=0.01" in page
    assert "hydra.run.dir" not in page.split("## On what")[0]
    assert f"| test/accuracy | {result['metrics']['test/accuracy']:.4f} |" in page
    assert f"| identity | {result['identity']} |" in page
    picture = re.search(r"!\[[^]]*\]\(([^)]+)\)", page)[1]
    root = ElementTree.fromstring((digits_run / picture).read_text())
    assert len(root.findall(".//{*}polyline")) == 4  # loss and accuracy, of training and validation


def test_it_is_compared_with_finished_runs_on_the_same_data_beside_it(tmp_path):
    write = writer(tmp_path / "outputs" / "runs" / "2026-01-01")
    run = read_run(write(place="a", metrics={"val/accuracy": 0.7}))
    write(place="b", model="mlp", metrics={"val/accuracy": 0.9})
    write(place="c", choices={"model": "cnn", "data": "mnist"})
    status_writer(tmp_path / "outputs" / "runs" / "2026-01-02")("d", state="failed")
    found = neighbours(run)
    assert [each.path.name for each in found] == ["b"]
    compared = summary(run, found).split("## Compared with")[1]
    rows = [line for line in compared.splitlines() if line.startswith("| mlp") or line.startswith("| cnn")]
    assert [row.split(" | ")[1] for row in rows] == ["0.9000", "0.7000"]
    assert "ranked by val/accuracy" in compared


def test_no_more_runs_are_read_than_it_is_compared_with(tmp_path, monkeypatch):
    write = writer(tmp_path / "outputs" / "runs" / "2026-01-01")
    run = read_run(write(place="z"))
    for place in "abcd":
        write(place=place)
    read = []
    monkeypatch.setattr(page, "NEIGHBOURS", 2)
    monkeypatch.setattr(page, "read_run", lambda path: read.append(path.name) or read_run(path))
    assert [each.path.name for each in neighbours(run)] == read == ["d", "c"]


def test_nothing_is_looked_at_beside_a_run_that_lies_elsewhere(tmp_path):
    write = writer(tmp_path / "somewhere")
    run = read_run(write(place="a"))
    write(place="b")
    assert neighbours(run) == []
    assert "No finished run on the same data lies beside it." in summary(run)


@pytest.mark.parametrize(("state", "way"), [("failed", "resume"), ("interrupted", "resume")])
def test_a_run_that_stopped_says_why_and_how_to_go_on(tmp_path, state, way):
    path = status_writer(tmp_path)("x", state=state, error="the disk is full", metrics={"val/loss": 0.25})
    (path / "artifacts").mkdir()
    write_summary(path)
    page = (path / "report.md").read_text()
    assert f"{state}: the disk is full" in page
    assert "| val/loss | 0.2500 |" in page
    assert f"python -m runner {way} {path}" in page


def test_names_of_others_are_no_markdown(tmp_path):
    run = read_run(writer(tmp_path)(name="<script>|[x](y)\n# more", typed=("a='b\nc'",)))
    page = summary(run)
    assert "<script>" not in page
    assert "\n# more" not in page
    assert "\nc'" not in page


def test_curves_without_points_are_no_picture():
    assert drawn({}, "val/accuracy") == ""
    assert drawn({"train/loss": [(0.0, 1.0)]}, "") == ""
    flat = drawn({"train/loss": [(1.0, 2.0), (1.0, 2.0)]}, "val/loss")
    assert len(ElementTree.fromstring(flat).findall(".//{*}polyline")) == 1
