"""Runs on other files of the user's are other experiments; the same files elsewhere are the same one."""

import json
import shutil

import pytest

from runner.config import content, plugins
from runner.config.compose import compose
from runner.data import content as files
from runner.errors import RunnerError
from runner.report.report import build_report
from runner.report.runs import find_runs
from runner.sweep import start
from runner.sweep.plan import plan
from runner.sweep.record import Sweep
from runner.tracking.identity import identity
from tests.support.written_runs import writer

CSV = ("data=csv", "data.target=y")


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Two tables with the same columns and other numbers."""
    monkeypatch.chdir(tmp_path)
    for name, factor in (("a", 1), ("b", 2)):
        rows = "".join(f"{number},{factor * number}\n" for number in range(30))
        (tmp_path / f"{name}.csv").write_text(f"x,y\n{rows}")
    return tmp_path


def identity_of(*overrides: str) -> str:
    return identity(compose(overrides).plain)


def test_the_content_of_a_table_is_part_of_the_identity_and_its_place_is_not(tables):
    first = identity_of(*CSV, "data.root=a.csv")
    assert identity_of(*CSV, "data.root=b.csv") != first
    shutil.copy("a.csv", "c.csv")
    assert identity_of(*CSV, f"data.root={tables / 'c.csv'}") == first
    (tables / "a.csv").write_text((tables / "a.csv").read_text().replace("29,29", "29,30"))
    assert identity_of(*CSV, "data.root=a.csv") != first


def test_the_content_of_an_image_folder_is_part_of_the_identity(tables):
    for root, byte in (("A", b"1"), ("B", b"2")):
        for name in ("cat", "dog"):
            (tables / root / name).mkdir(parents=True)
            (tables / root / name / "0.png").write_bytes(byte)
    roots = [f"data.root={root}" for root in ("A", "B", "A")]
    one, other, again = (identity_of("data=image_folder", root) for root in roots)
    assert one == again != other


def test_published_sets_and_those_that_are_made_are_told_by_their_names(tables, monkeypatch):
    (tables / "data").mkdir()
    (tables / "data" / "anything").write_text("x")
    for overrides in (["data=mnist", "data.root=data"], ["data=digits"], ["data=karate"]):
        assert content.KEY not in compose(overrides).config.data


def test_data_of_the_users_own_classes_counts_too(tables):
    (tables / "conf" / "data").mkdir(parents=True)
    keys = "kind: tabular\ntest_file: b.csv\nroot: a.csv\n"
    text = f"# a\n# b\n# c\ndefaults: [csv, _self_]\n_target_: my.Table\ntarget: y\n{keys}"
    (tables / "conf" / "data" / "own.yaml").write_text(text)
    own = ["data=own", "runner.plugins=[my]"]
    plugins.enable(own)
    first = compose(own)
    assert first.config.data.content == files.content_of("a.csv", "b.csv")
    (tables / "b.csv").write_text("x,y\n1,1\n")
    assert identity(compose(own).plain) != identity(first.plain)


def test_an_identity_from_before_is_kept_where_content_is_not_known():
    config = {"seed": 1, "data": {"batch_size": 3}, "model": {"hidden": [3]}}
    now = {**config, "checkpoint_strict": True, "data": {"batch_size": 3, "content": None}}
    assert identity(now) == identity(config) == "64ca800503a6"
    assert identity({**now, "checkpoint_strict": False}) != identity(config)


def test_a_sweep_reads_a_folder_once(tables, monkeypatch):
    asked = []
    monkeypatch.setattr(content, "read", lambda *places: asked.append(places) or "0123456789abcdef")
    planned = plan([*CSV, "data.root=a.csv,b.csv", "seed=range(1,6)"], None)
    assert len([job for job in planned.jobs if job.identity and not job.mistakes]) == 10
    assert sorted(asked) == [("a.csv",), ("b.csv",)]


def test_a_sweep_goes_on_where_its_data_is_the_same_and_names_what_changed(tables):
    words = [*CSV, "data.root=a.csv", "seed=1,2"]
    sweep = Sweep(tables / "sweep", words)
    start.register(sweep, plan(words, None).jobs)
    start.register(sweep, plan(words, None).jobs)
    # Entries that an older version wrote know nothing of the content, and are of these jobs all the same.
    for job in plan(words, None).jobs:
        entry = sweep.entries[job.number]
        entry.settings.pop("data.content", None)
        data = {key: each for key, each in job.composed.plain["data"].items() if key != "content"}
        entry.identity = identity({**job.composed.plain, "data": data})
    start.register(sweep, plan(words, None).jobs)
    fresh = Sweep(tables / "sweep", words)
    start.register(fresh, plan(words, None).jobs)
    (tables / "a.csv").write_text((tables / "b.csv").read_text())
    with pytest.raises(RunnerError, match=r"data\.content: \w{16}, now \w{16}"):
        start.register(fresh, plan(words, None).jobs)


def test_the_report_has_a_row_for_each_content_named_by_its_place(tmp_path):
    write = writer(tmp_path)
    for place, word in (("A", "1" * 16), ("B", "2" * 16), ("elsewhere/B", "2" * 16), ("A", "3" * 16)):
        write(settings={"data.root": place, "data.content": word})
    report = build_report(find_runs([tmp_path]))
    assert report.columns == ["data.content"]
    shown = sorted(row.settings["data.content"] for row in report.rows)
    assert shown == ["A (111111)", "A (333333)", "elsewhere/B"]
    assert len(report.repeats) == 1


def test_runs_on_other_files_of_a_published_sets_format_are_told_apart_by_what_they_read(tmp_path):
    write = writer(tmp_path)
    for place, seen, seed in (("A", "1", 1), ("B", "2", 1), ("A", "1", 2), ("B", "2", 2), ("moved/B", "2", 2)):
        path = write(seed=seed, settings={"data.root": place})
        (path / "environment.json").write_text(json.dumps({"data": seen}))
    report = build_report(find_runs([tmp_path]))
    assert sorted((row.settings["data.content"], len(row.runs)) for row in report.rows) == [("A", 2), ("moved/B", 2)]
    assert len(report.repeats) == 1


def test_a_run_whose_data_changed_is_not_resumed(tables, capsys):
    composed = compose([*CSV, "data.root=a.csv"])
    content.refuse_other_content(composed.config, "RUN")
    (tables / "a.csv").write_text((tables / "b.csv").read_text())
    with pytest.raises(RunnerError, match=r"data\.root=a\.csv is not what it was when this run began"):
        content.refuse_other_content(composed.config, "RUN")
