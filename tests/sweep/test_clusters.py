"""Clusters: a job that loses its machine goes on from where it was on another, and nothing else is done again."""

import io
import json
import os
import select
import signal
import tarfile
from pathlib import Path

import pytest

from runner.sweep.launchers import subprocess as apart
from runner.sweep.launchers.ray import SHARED, LostMachineError, RayCluster, packed, task, unpack
from runner.sweep.launchers.subprocess import ClusterJob, again, run_or_go_on
from runner.sweep.launchers.work import Work
from runner.tracking import lock
from runner.tracking.signals import PARENT

ANEW = ["runner.plugins=[mine]", "seed=1", "hydra.run.dir=place"]
# A package of this name in the working directory comes before the real one: its program does what a run does to its
# directory, without the seconds that a real run takes to start.
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from runner.tracking.signals import end_with_parent

first, last = sys.argv[1], sys.argv[-1]
place = Path(first if first != "resume" else sys.argv[2])
place = place if first == "resume" else Path(last.partition("=")[2])


def say(state):
    (place / "status.json").write_text(json.dumps({"state": state}))
    with open("told", "a") as told:
        print(place.name, first.partition("=")[0], state, os.getppid(), os.getpid(), file=told, flush=True)


def end(*_):
    say("interrupted")
    os._exit(143)


signal.signal(signal.SIGTERM, end)
end_with_parent()
if first == "resume":
    say("done")
    sys.exit(0)
(place / "config.yaml").write_text("seed: 1")
say("running")
open("go").close()
say("done")
"""


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A working directory in which `python -m runner` is that program."""
    package = tmp_path / "runner"
    package.mkdir()
    real = Path(apart.__file__).parents[2]
    (package / "__init__.py").write_text(f"__path__.append({str(real)!r})\n")
    (package / "__main__.py").write_text(PROGRAM)
    os.mkfifo(tmp_path / "told")
    os.mkfifo(tmp_path / "go")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(real.parent))
    return tmp_path


class Told:
    """What the programs said, line by line."""

    def __init__(self, place: Path) -> None:
        self.file = os.fdopen(os.open(place / "told", os.O_RDWR), buffering=1)
        self.poll = select.poll()
        self.poll.register(self.file, select.POLLIN)
        self.left: list[list[str]] = []

    def next(self) -> list[str]:
        """The next line: which job, how it was started, its state, who waits for it, and its own process."""
        if not self.left:
            assert self.poll.poll(120_000), "nothing was said"
            self.left = [line.split() for line in os.read(self.file.fileno(), 4096).decode().splitlines()]
        return self.left.pop(0)


def work(place: Path, number: int) -> Work:
    directory = place / str(number)
    arguments = [f"seed={number}", f"hydra.run.dir={directory}"]
    return Work(number, arguments, directory, arguments)


@pytest.mark.parametrize(
    ("arguments", "status", "command"),
    [
        (ANEW, None, ANEW),
        (ANEW, "half a li", ANEW),
        (ANEW, {"state": "interrupted"}, ["resume", "{}", "runner.plugins=[mine]"]),
        (ANEW, {"state": "running"}, ["resume", "{}", "runner.plugins=[mine]"]),
        (ANEW, {"state": "done", "held": ["test"]}, None),
        (["resume", "{}"], {"state": "done", "held": ["test"]}, ["resume", "{}", "runner.plugins=[mine]"]),
        (["resume", "{}"], {"state": "done"}, None),
        (["resume", "{}"], None, ANEW),  # it was on a disk that this machine does not see
    ],
)
def test_a_job_that_is_started_again_does_what_is_left_of_it(arguments, status, command, tmp_path):
    if status is not None:
        (tmp_path / "status.json").write_text(status if isinstance(status, str) else json.dumps(status))
        (tmp_path / "config.yaml").write_text("")
    found = again([each.format(tmp_path) for each in arguments], ANEW, tmp_path)
    assert found == (None if command is None else [each.format(tmp_path) for each in command])


def test_a_run_that_was_only_just_claimed_begins_again(tmp_path):
    (tmp_path / "status.json").write_text('{"state": "starting"}')
    assert again(ANEW, ANEW, tmp_path) == ANEW


def test_a_run_that_still_goes_on_elsewhere_is_waited_for(tmp_path, monkeypatch):
    (tmp_path / "status.json").write_text('{"state": "done"}')
    (tmp_path / "config.yaml").write_text("")
    waited: list[float] = []
    with lock.held(tmp_path, "a run"):
        monkeypatch.setattr(apart.lock, "is_held", lambda directory: len(waited) < 2)
        monkeypatch.setattr(apart.time, "sleep", waited.append)
        assert run_or_go_on(ANEW, ANEW, tmp_path / "console.log") == 0
    assert waited == [apart.SECONDS] * 2


def test_a_run_directory_that_machines_do_not_share_is_brought_back(tmp_path, monkeypatch):
    here, there = tmp_path / "here" / "0", tmp_path / "there" / "0"

    def run(arguments, anew, console):
        console.parent.mkdir(parents=True, exist_ok=True)
        (console.parent / "result.json").write_text("{}")
        return 3

    monkeypatch.setattr("runner.sweep.launchers.ray.run_or_go_on", run)
    monkeypatch.chdir(tmp_path)
    for directory, word in ((here, "word"), (there, "another")):
        directory.mkdir(parents=True)
        (directory / SHARED).write_text("word")
        status, content = task(ANEW, ANEW, str(directory / "console.log"), str(tmp_path / "new"), word)
        assert (status, bool(content)) == (3, directory is there)
    (back := tmp_path / "back").mkdir()
    unpack(content, back)
    unpack(b"", back)
    assert (back / "result.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("status", "raylets", "lost"), [(-9, [7, 1], True), (-9, [7, 7], False), (1, [7, 7], False), (0, [7, 1], False)]
)
def test_a_run_that_its_dying_machine_kills_is_none_that_failed(status, raylets, lost, tmp_path, monkeypatch):
    monkeypatch.setattr("runner.sweep.launchers.ray.run_or_go_on", lambda *_: status)
    monkeypatch.setattr(os, "getppid", lambda: raylets.pop(0))
    monkeypatch.chdir(tmp_path)
    (tmp_path / SHARED).write_text("word")
    arguments = (ANEW, ANEW, str(tmp_path / "console.log"), str(tmp_path), "word")
    if lost:
        with pytest.raises(LostMachineError):
            task(*arguments)
    else:
        assert task(*arguments) == (status, b"")


def test_what_is_brought_back_stays_in_its_directory(tmp_path):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as files:
        files.addfile(tarfile.TarInfo("../outside"))
    (tmp_path / "run").mkdir()
    with pytest.raises(tarfile.OutsideDestinationError):
        unpack(archive.getvalue(), tmp_path / "run")
    (tmp_path / "run" / "a").mkdir()
    unpack(packed(tmp_path / "run"), tmp_path / "run")
    assert not (tmp_path / "outside").exists()


def test_a_node_that_dies_costs_its_own_job_a_start_and_no_other(place, monkeypatch):
    pytest.importorskip("ray", reason="needs the extra `ray`")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    monkeypatch.delenv(PARENT, raising=False)
    told = Told(place)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    launcher = RayCluster(address=cluster.address)
    try:
        futures = [launcher.submit(work(place, number)) for number in range(2)]
        begun = [told.next() for _ in futures]
        assert sorted(line[:3] for line in begun) == [["0", "seed", "running"], ["1", "seed", "running"]]
        lives = {os.pidfd_open(int(line[4])): line[0] for line in begun}
        ended = select.poll()
        for life in lives:
            ended.register(life, select.POLLIN)
        cluster.remove_node(nodes[1], allow_graceful=False)
        ((life, _),) = ended.poll(60_000)
        (place / "go").write_text("")  # the other one may end now
        said = [told.next()[:3] for _ in futures]
        if said[0][2] == "interrupted":  # it had the time to say so
            said = [said[1], told.next()[:3]]
        lost = lives[life]
        assert said == [[str(1 - int(lost)), "seed", "done"], [lost, "resume", "done"]]
        assert [future.result(120) for future in futures] == [0, 0]
        assert not list(place.rglob(SHARED))
    finally:
        launcher.close()
        cluster.shutdown()


def test_a_job_that_slurm_takes_back_keeps_its_state_and_goes_on(place, monkeypatch):
    submitit = pytest.importorskip("submitit", reason="needs the extra `slurm`")
    monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", "USR1")
    told = Told(place)
    job = submitit.AutoExecutor(folder=place / "submitit", cluster="local")
    job.update_parameters(timeout_min=5)
    one = work(place, 0)
    job = job.submit(ClusterJob(), one.arguments, one.anew, one.console)
    *begun, waiting, _ = told.next()
    os.kill(int(waiting), signal.SIGUSR1)
    assert [begun, told.next()[:3], told.next()[:3]] == [
        ["0", "seed", "running"],
        ["0", "seed", "interrupted"],
        ["0", "resume", "done"],
    ]
    assert job.result() == 0
