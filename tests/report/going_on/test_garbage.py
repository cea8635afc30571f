"""What `gc` may remove and what it must not, on directories written by hand."""

import json

import pytest

from runner.cli.main import main
from runner.errors import RunnerError
from runner.report.going_on.garbage import garbage
from runner.report.going_on.removal import links_below, remove
from runner.report.run_record import read_run
from runner.report.runs import find_runs
from runner.tracking import lock
from tests.support.written_runs import status_writer, writer


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Runs of every kind below outputs/runs: each with two checkpoints of 1000 bytes."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "outputs" / "runs"
    write, write_status = writer(root), status_writer(root)
    for place, identity in [("old", "same"), ("new", "same"), ("alone", "other")]:
        write(place=place, identity=identity)
        (root / place / "config.yaml").write_text("name: x\n")
    write_status("failed", state="failed", error="it broke")
    write_status("interrupted", state="interrupted")
    for path in root.iterdir():
        (path / "checkpoints").mkdir()
        for name in ("best", "last"):
            (path / "checkpoints" / f"{name}.ckpt").write_bytes(bytes(1000))
    return root


def chosen(root, **options):
    found = garbage(find_runs([root]), links_below(root), **options)
    return {each.run.path.name: each.why for each in found}


def checkpoints(root):
    return sorted({path.parts[-3] for path in root.glob("*/checkpoints/*.ckpt")})


def test_what_failed_and_what_a_newer_run_repeats_can_go(outputs):
    assert chosen(outputs) == {"failed": "failed", "old": "repeated by new"}
    assert set(chosen(outputs, stopped=True)) == {"failed", "interrupted", "old"}


def test_checkpoints_go_and_records_stay(outputs, capsys):
    assert main(["gc", "outputs", "--yes"]) == 0
    assert checkpoints(outputs) == ["alone", "interrupted", "new"]
    assert read_run(outputs / "old").metrics == {"val/accuracy": 0.5, "test/accuracy": 0.5}
    assert "Removed 4.0 kB." in capsys.readouterr().out
    assert main(["gc", "outputs", "--yes"]) == 0
    assert "nothing to remove among 5 runs" in capsys.readouterr().out


def test_nothing_goes_before_somebody_agreed(outputs, capsys, monkeypatch):
    before = sorted(outputs.rglob("*"))
    assert main(["gc"]) == 0
    assert "4.0 kB in 2 runs: add --yes to remove it." in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "")
    assert main(["gc"]) == 0
    assert sorted(outputs.rglob("*")) == before
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert main(["gc"]) == 0
    assert checkpoints(outputs) == ["alone", "interrupted", "new"]


def test_whole_runs_go_where_that_was_asked_for(outputs):
    (outputs / "failed" / "notes.txt").write_text("why it broke")
    assert main(["gc", "outputs", "--runs", "--yes"]) == 0
    assert sorted(path.name for path in outputs.iterdir()) == ["alone", "failed", "interrupted", "new"]
    assert (outputs / "failed" / "notes.txt").read_text() == "why it broke"
    assert not list((outputs / "failed" / "checkpoints").iterdir())


def test_a_file_of_somebodys_among_checkpoints_stays(outputs):
    (outputs / "old" / "checkpoints" / "mine.txt").write_text("mine")
    assert main(["gc", "outputs", "--runs", "--yes"]) == 0
    assert [path.name for path in (outputs / "old" / "checkpoints").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("value", ["outputs/runs/old", "{root}/old/checkpoints/best.ckpt", "outputs/runs/../runs/old/"])
@pytest.mark.parametrize("key", ["checkpoint", "distillation.teacher"])
def test_what_another_run_started_from_stays(outputs, key, value):
    writer(outputs)(place="student", settings={key: value.format(root=outputs)})
    assert set(chosen(outputs)) == {"failed"}


def test_what_a_run_that_stays_needs_in_turn_stays(outputs):
    writer(outputs)(place="student", settings={"checkpoint": "outputs/runs/failed"})
    (outputs / "failed" / "overrides.yaml").write_text("- checkpoint=outputs/runs/old\n")
    assert chosen(outputs) == {}


def test_what_a_run_elsewhere_below_outputs_needs_stays(outputs):
    writer(outputs.parent / "sweeps")(place="0", settings={"checkpoint": str(outputs / "old")})
    main(["gc", str(outputs), "--yes"])
    assert "old" in checkpoints(outputs)


def test_what_a_link_leads_to_stays(outputs):
    (outputs / "best").symlink_to("old")
    assert set(chosen(outputs)) == {"failed"}


def test_a_run_that_goes_on_stays_also_where_its_files_say_failed(outputs):
    with lock.held(outputs / "failed", "it runs"):
        assert set(chosen(outputs)) == {"old"}
    found = garbage(find_runs([outputs]))
    with lock.held(outputs / "failed", "it runs"), pytest.raises(RunnerError, match="this run goes on again"):
        remove(found[0], whole=True)
    (outputs / "failed" / "status.json").write_text(json.dumps({"state": "done"}))
    with pytest.raises(RunnerError, match="its state changed"):
        remove(found[0], whole=True)
    assert "failed" in checkpoints(outputs)


def test_links_out_of_the_folder_are_neither_followed_nor_removed(outputs, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.ckpt").write_bytes(b"1")
    (outputs / "old" / "checkpoints" / "linked.ckpt").symlink_to(elsewhere / "precious.ckpt")
    for path in (outputs / "failed" / "checkpoints").iterdir():
        path.unlink()
    (outputs / "failed" / "checkpoints").rmdir()
    (outputs / "failed" / "checkpoints").symlink_to(elsewhere)
    (outputs / "linked").symlink_to(elsewhere)
    status = main(["gc", "outputs", "--runs", "--yes"])
    assert status == 0
    assert (elsewhere / "precious.ckpt").read_bytes() == b"1"
    assert (outputs / "old" / "checkpoints" / "linked.ckpt").is_symlink()
    assert (outputs / "failed" / "checkpoints").is_symlink()


def test_a_directory_that_only_looks_like_a_run_stays(outputs):
    foreign = outputs / "foreign"
    (foreign / "checkpoints").mkdir(parents=True)
    (foreign / "status.json").write_text(json.dumps({"state": "failed"}))
    (foreign / "checkpoints" / "best.ckpt").write_bytes(b"1")
    assert "foreign" not in chosen(outputs)


def test_results_that_a_run_keeps_of_itself_stay(outputs):
    earlier = writer(outputs / "alone" / "earlier")(place="0", identity="other")
    (earlier / "config.yaml").write_text("name: x\n")
    assert set(chosen(outputs)) == {"failed", "old"}


def test_a_job_of_a_sweep_keeps_its_directory(outputs):
    (outputs / "sweep.json").write_text(json.dumps({"jobs": []}))
    assert main(["gc", "outputs", "--runs", "--yes"]) == 0
    assert (outputs / "failed" / "status.json").is_file()
    assert checkpoints(outputs) == ["alone", "interrupted", "new"]


def test_a_place_without_runs_is_refused(tmp_path):
    for place, words in ((tmp_path, "holds no run"), (tmp_path / "nowhere", "there is no such directory")):
        with pytest.raises(RunnerError, match=words):
            find_runs([place])
        assert main(["gc", str(place), "--yes"]) == 2


def test_outputs_lists_state_metric_size_and_age(outputs, capsys):
    assert main(["outputs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["state", "metric", "size", "age", "run"]
    row = next(line.split() for line in lines if line.rstrip().endswith("runs/new"))
    assert row[:3] == ["done", "val/accuracy", "0.5"]
    assert row[4] == "kB"
    assert row[6] == "d"
    assert lines[-1].startswith("5 runs, ")
    assert main(["outputs", "--state", "failed"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:-1]] == ["failed"]
