"""Sweeps of thousands: the first job begins before all are looked at, and a mistake found later costs its job alone."""

import json
import tracemalloc
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import pytest

from runner.cli.main import main
from runner.config import overrides
from runner.errors import RunnerError
from runner.sweep import execution
from runner.sweep import sweep as whole
from runner.sweep.execution import Execution
from runner.sweep.jobs import Planner, combined
from runner.sweep.plan import Plan
from runner.sweep.record import DONE, FAILED, INTERRUPTED, SKIPPED, WAITING, Entry, Sweep
from runner.sweep.start import enter, look_at, without_invalid

MLP = ["model=mlp", "data=digits"]


@pytest.fixture
def unseen(monkeypatch) -> None:
    """No time to look at a job before the first one starts, nor while others run."""
    monkeypatch.setattr(whole, "LOOKING", -1.0)
    monkeypatch.setattr("runner.sweep.start.LEAST", 0)
    monkeypatch.setattr(Execution, "look_ahead", lambda self: False)


class Recording:
    """A launcher whose jobs end well as soon as `ready` says so."""

    jobs = 2

    def __init__(self, ready=lambda: True) -> None:
        self.submitted: list[int] = []
        self.ready = ready

    def submit(self, work) -> "Future[int]":
        self.submitted.append(work.number)
        future = Ending(self.ready)
        future.set_result(0)
        return future

    def stop(self, signal: int) -> None:
        """Nothing runs."""


class Ending(Future):
    def __init__(self, ready) -> None:
        super().__init__()
        self.ready = ready

    def done(self) -> bool:
        return self.ready()


@pytest.fixture(scope="module")
def planner() -> Planner:
    """One for all: its first composition takes longer than most tests."""
    return Planner(None)


@pytest.fixture
def plan(planner, tmp_path) -> Callable[..., Plan]:
    """`plan("seed=1,2", on_invalid="skip")` is the plan of a grid of small runs."""

    def of(*texts: str, **settings: str) -> Plan:
        jobs = combined(planner, overrides.parse([*MLP, *texts])[0])
        rules = {"skip_done": True, "retry_failed": False, "on_error": "continue", "search": None, **settings}
        return Plan([*MLP, *texts], None, rules, {}, None, tmp_path, True, jobs, [])

    return of


def begun(planned: Plan, path, launcher) -> Execution:
    """A sweep of these jobs, none of which was looked at."""
    record = Sweep(path, planned.command)
    runner = Execution(planned, record, launcher)
    runner.run(enter(record, planned.jobs))
    return runner


def test_a_mistake_found_while_others_run_fails_its_job_alone(sweep, jobs, unseen, tmp_path, capsys):
    command = ("optimizer.lr=0.01,-1,0.02", "seed=1")
    assert sweep(*command) == 1
    assert [job["state"] for job in jobs()] == ["done", "failed", "done"]
    assert jobs()[1]["error"] == "optimizer.lr=-1: must be above 0."
    assert "[2/3]  failed  optimizer.lr=-1\n    optimizer.lr=-1: must be above 0.\n[3/3]" in capsys.readouterr().out
    assert not list(tmp_path.rglob("1/status.json"))
    kept = [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("result.json"))]
    # Started again, with time to look at everything, it is not refused for what stands in it.
    whole.LOOKING = 60.0
    assert sweep(*command) == 1
    assert [job["state"] for job in jobs()] == ["done", "failed", "done"]
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("result.json"))] == kept


def test_a_mistake_found_late_is_left_out_or_ends_the_sweep_as_asked(plan, unseen, tmp_path):
    for setting, states, runs in (
        ({"on_invalid": "skip"}, [INTERRUPTED, SKIPPED, INTERRUPTED], [0, 2]),
        ({"on_error": "stop"}, [INTERRUPTED, FAILED, WAITING], [0]),
    ):
        launcher = Recording()
        runner = begun(plan("optimizer.lr=0.1,-1,0.2", **setting), tmp_path / min(setting), launcher)
        assert [entry.state for entry in runner.record.entries.values()] == states
        assert launcher.submitted == runs
        assert runner.left_out == ({1} if "on_invalid" in setting else set())


def test_what_needs_a_job_that_is_left_out_is_left_out_too(plan, planner, unseen, tmp_path):
    recipes = [overrides.parse(["pruning=channel"])[0]]
    jobs = combined(planner, overrides.parse([*MLP, "seed=1,-1"])[0], recipes)
    runner = begun(replace(plan(on_invalid="skip"), jobs=jobs), tmp_path, Recording())
    assert runner.left_out == {2, 3}
    assert runner.record.entries[3].state == SKIPPED


def test_the_first_job_begins_before_the_others_are_looked_at(plan, unseen, tmp_path):
    planned = plan("seed=range(1,2001)")
    seen: list[int] = []
    launcher = Recording(lambda: bool(seen.append(sum(job.is_judged for job in planned.jobs))) or len(seen) > 1)
    runner = Execution(planned, record := Sweep(tmp_path, planned.command), launcher)
    runner.take(enter(record, planned.jobs))
    runner.run_all(planned.jobs[:1])
    assert (launcher.submitted, seen[0]) == ([0], 1)
    assert len(json.loads((tmp_path / "sweep.json").read_text())["jobs"]) == 2000


def test_while_jobs_run_the_others_are_looked_at_and_their_mistakes_told(plan, tmp_path, capsys):
    planned = plan("seed=range(0,-200,-1)")
    launcher = Recording(lambda: all(job.is_judged for job in planned.jobs))
    runner = Execution(planned, record := Sweep(tmp_path, planned.command), launcher)
    runner.take(enter(record, planned.jobs))
    runner.run_all(planned.jobs[:2])
    assert launcher.submitted == [0]
    assert record.entries[150].error == "seed=-150: must be from 0 to 4294967295."
    said = capsys.readouterr().out
    assert said.index("failed  seed=-150") < said.index("interrupted  seed=0")


def test_a_planned_job_takes_less_than_four_kilobytes(plan, tmp_path):
    tracemalloc.start()
    try:
        planned = plan("optimizer.lr=0.1,0.2", "trainer.max_epochs=range(1,6)", "seed=range(1,101)")
        record = Sweep(tmp_path, planned.command)
        enter(record, planned.jobs)
        assert len(record.entries) == 1000
        assert tracemalloc.get_traced_memory()[0] < 4096 * 1000
    finally:
        tracemalloc.stop()


def test_in_little_time_every_value_is_looked_at_first(plan, monkeypatch):
    planned = plan("seed=1,2,3", "optimizer.lr=0.1,0.2,-1")
    monkeypatch.setattr("runner.sweep.start.LEAST", 0)
    clock = iter(range(100))
    monkeypatch.setattr("runner.sweep.start.time.monotonic", lambda: next(clock))
    looked_at = look_at(planned.jobs, 5)
    assert {each.text for job in looked_at for each in job.parsed} == {
        *MLP,
        *("seed=1", "seed=2", "seed=3", "optimizer.lr=0.1", "optimizer.lr=0.2", "optimizer.lr=-1"),
    }
    assert len(looked_at) == 5
    clock = iter(range(100))
    with pytest.raises(RunnerError, match=r"1 of 5, of 9 in all, combinations cannot run:\n.*must be above 0"):
        without_invalid(plan("seed=1,2,3", "optimizer.lr=0.1,0.2,-1").jobs, "refuse", 5)


def test_a_sweep_that_an_older_version_wrote_goes_on(sweep, jobs, tmp_path):
    assert sweep("seed=1,2") == 0
    (path,) = tmp_path.rglob("sweep.json")
    content = json.loads(path.read_text())
    for number, job in enumerate(content["jobs"]):  # each with its settings, and indented
        job["settings"] = {"seed": number + 1}
    content["common"].pop("seed")
    path.write_text(json.dumps(content, indent=2))
    assert Sweep.load(path.parent).entries[1].settings.keys() == content["common"].keys() | {"seed"}
    kept = [each.stat().st_mtime_ns for each in sorted(tmp_path.rglob("result.json"))]
    assert sweep("seed=1,2,3", f"hydra.sweep.dir={path.parent}") == 0
    assert [each.stat().st_mtime_ns for each in sorted(tmp_path.rglob("result.json"))][:2] == kept
    assert [job["differs"] for job in jobs()] == [["seed=1"], ["seed=2"], ["seed=3"]]


def test_a_job_whose_configuration_changed_is_told_when_its_turn_comes(plan, unseen, tmp_path):
    record = Sweep(tmp_path, [], [Entry(1, ["model=mlp", "data=digits", "seed=2"], ["seed=2"], "0123456789ab")])
    planned = plan("seed=1,2")
    runner = Execution(planned, record, launcher := Recording())
    runner.run(enter(record, planned.jobs))
    assert launcher.submitted == [2]
    assert record.entries[1].state == FAILED
    assert "changed since this sweep was started (seed=2: its identity was 0123456789ab" in record.entries[1].error


def test_settings_are_kept_of_the_first_job_with_its_choices(planner, tmp_path):
    record = Sweep(tmp_path, [])
    jobs = combined(planner, overrides.parse(["model=mlp,cnn", "data=digits", "seed=1,2"])[0])
    look_at(jobs)
    enter(record, jobs)
    read = Sweep.load(tmp_path)
    assert [bool(read.entries[number].settings) for number in range(4)] == [True, False, True, False]
    assert read.entries[2].settings == record.entries[2].settings


def test_a_large_sweep_is_written_in_a_tenth_of_the_time(tmp_path, monkeypatch):
    record, clock = Sweep(tmp_path, [], [Entry(0, [], [])]), [0.0]
    monkeypatch.setattr("runner.sweep.record.time.monotonic", lambda: clock[0])

    def written_after(seconds: float) -> bool:
        clock[0] += seconds
        (tmp_path / "sweep.json").unlink(missing_ok=True)
        record.save_soon()
        return (tmp_path / "sweep.json").is_file()

    assert written_after(0)
    assert written_after(0.001)
    record._took = 1.0
    assert not written_after(9)
    assert written_after(2)


@pytest.mark.parametrize(
    ("texts", "status", "said"),
    [
        (["seed=1,2", "optimizer.lr=0.1,-1", "sweep.on_invalid=skip"], 0, "left out   seed=1 optimizer.lr=-1, seed=2"),
        (["sweep=search", "optimizer.lr=choice(0.1,-1)"], 2, "optimizer.lr=-1: must be above 0"),
    ],
)
def test_check_composes_every_run_of_a_sweep(texts, status, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-m", *MLP, *texts]) == status
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
    assert not list(tmp_path.iterdir())


def test_check_names_every_mistake_of_thousands(capsys):
    rates = ",".join(str(number) for number in range(-200, 0))
    assert main(["check", "-m", *MLP, f"optimizer.lr=0.1,{rates}"]) == 2
    told = capsys.readouterr().err
    assert all(f"optimizer.lr=-{number}: must be above 0" in told for number in range(1, 201))
    assert main(["check", *MLP, *(f"optimizer.wrong{number}=1" for number in range(1000))]) == 2
    told = capsys.readouterr().err
    assert all(f"optimizer.wrong{number}: there is no such key." in told for number in range(1000))
    assert "Did you mean" in told


def test_looking_ahead_takes_moments(plan, monkeypatch, tmp_path):
    planned = plan("seed=range(1,50)")
    runner = Execution(planned, record := Sweep(tmp_path, planned.command), Recording())
    runner.take(enter(record, planned.jobs))
    monkeypatch.setattr(execution, "MOMENT", -1.0)
    assert runner.look_ahead()
    assert sum(job.is_judged for job in planned.jobs) == 1
    monkeypatch.setattr(execution, "MOMENT", 60.0)
    assert not runner.look_ahead()
    assert all(job.is_judged for job in planned.jobs)
    assert record.entries[0].state != DONE
