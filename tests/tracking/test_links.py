"""Nothing is written through a link that leads out of a run's or a sweep's directory."""

import json
import logging

import pytest
from omegaconf import OmegaConf

from runner.cli.main import main
from runner.errors import RunnerError
from runner.files import overwrite_json, write_text
from runner.files.writing import new_file
from runner.sweep.launchers.in_process import surroundings
from runner.sweep.launchers.work import Work
from runner.sweep.record import Sweep
from runner.tracking import layout, lock
from runner.tracking.links import refuse_links
from runner.tracking.loggers import MetricsFile
from runner.tracking.notices import run_log
from runner.tracking.run_directory import RunDirectory, created

NAMES = (
    *("metrics.csv", "run.log", "status.json", "result.json", "config.yaml", "cross_validation.json", "resumed.yaml"),
    *("checkpoints", "tensorboard", "artifacts", "earlier", "checkpoints/best.ckpt", "artifacts/predictions.csv"),
    *("tensorboard/events.out", "checkpoints/fine_tuned/last.ckpt", ".lock"),
)


@pytest.fixture
def outside(tmp_path):
    """What somebody else's directory would like to have changed."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "profile").write_text("mine")
    return tmp_path / "home"


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "outputs" / "run"
    path.mkdir(parents=True)
    (path / "config.yaml").write_text("name: x\n")
    (path / "status.json").write_text(json.dumps({"state": "failed"}))
    return path


@pytest.mark.parametrize("target", ["home/profile", "home", "home/new"])
@pytest.mark.parametrize("name", NAMES)
def test_a_run_directory_with_a_link_that_leads_out_is_not_worked_in(run, outside, name, target):
    place = run / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(outside.parent / target)
    with pytest.raises(RunnerError, match="symbolic link"), RunDirectory(run).held():
        raise AssertionError("it was held")
    assert [path.name for path in outside.iterdir()] == ["profile"]
    assert (outside / "profile").read_text() == "mine"


@pytest.mark.parametrize("command", ["resume", "export-weights"])
def test_commands_that_write_into_a_run_say_so(run, outside, capsys, command):
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "best.ckpt").write_bytes(b"")
    (run / "artifacts").symlink_to(outside)
    assert main([command, str(run)]) == 2
    assert f"{run / 'artifacts'}: is a symbolic link to {outside}" in capsys.readouterr().err
    assert [path.name for path in outside.iterdir()] == ["profile"]


def test_a_new_run_is_not_put_where_links_lie(tmp_path, outside):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").symlink_to(outside / "profile")
    config = OmegaConf.create({"seed": 1})
    with (
        pytest.raises(RunnerError, match=r"metrics\.csv: is a symbolic link"),
        created(tmp_path / "run", config, [], {}, exactly=True),
    ):
        raise AssertionError("it was made")


@pytest.mark.parametrize("name", ["0", "sweep.json", "search.db"])
def test_a_sweep_is_not_run_where_links_lead_out(tmp_path, outside, name):
    sweep = Sweep(tmp_path / "sweep", ["a=1,2"])
    sweep.path.mkdir()
    (sweep.path / name).symlink_to(outside)
    with pytest.raises(RunnerError, match="symbolic link"), sweep.locked():
        raise AssertionError("it was locked")


def test_outputs_may_be_a_link_and_links_may_stay_inside(tmp_path, run):
    (tmp_path / "disk").mkdir()
    (tmp_path / "outputs").rename(tmp_path / "disk" / "outputs")
    (tmp_path / "outputs").symlink_to(tmp_path / "disk" / "outputs")
    (run / "wandb").mkdir()
    (run / "wandb" / "latest-run").symlink_to("../artifacts")
    (run / "again").symlink_to(run / "config.yaml")
    with RunDirectory(run).held():
        assert (tmp_path / "disk" / "outputs" / "run" / ".lock").is_file()
    refuse_links(tmp_path / "outputs", levels=1)


def test_a_circle_of_links_ends(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    refuse_links(tmp_path)


def test_a_file_beside_is_new_whatever_has_its_name(tmp_path, outside, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / ".report.html.7.partial").symlink_to(outside / "profile")
    (tmp_path / "report.html").symlink_to(outside / "profile")
    write_text(tmp_path / "report.html", "page")
    assert not (tmp_path / "report.html").is_symlink()
    assert ((tmp_path / "report.html").read_text(), (outside / "profile").read_text()) == ("page", "mine")
    with pytest.raises(IsADirectoryError):
        new_file(outside)


class TestHardLinks:
    """Of these nobody can tell where they lead: what is written in place is a file of its own first."""

    @pytest.fixture
    def linked(self, run, outside):
        """A run directory whose files are somebody else's as well."""
        for name in (*layout.IN_PLACE, lock.FILE):
            (run / name).unlink(missing_ok=True)
            (run / name).hardlink_to(outside / "profile")
        (outside / "profile").write_text('{"state": "failed"}')
        return run

    def test_nothing_outside_changes_while_a_run_goes_on(self, linked, outside):
        record = RunDirectory(linked)
        with record.held(), run_log(record):
            MetricsFile(str(linked / "metrics.csv")).log_metrics({"loss": 1.0}, 0)
            logging.getLogger("x").info("said")
            overwrite_json(linked / "status.json", {"state": "x"})
        assert (outside / "profile").read_text() == '{"state": "failed"}'
        assert (linked / "metrics.csv").read_text() == "step,epoch,metric,value\n0,,loss,1.0\n"
        assert (linked / "run.log").read_text().endswith("said\n")

    def test_a_lock_with_several_names_still_keeps_others_out(self, linked):
        with RunDirectory(linked).held():
            assert lock.is_held(linked)
            with pytest.raises(RunnerError, match="still going on"), RunDirectory(linked).held():
                raise AssertionError("it was held")

    def test_the_log_of_a_sweeps_job_is_appended_to_a_copy(self, tmp_path, outside):
        work = Work(0, ["nosuch"], tmp_path / "job")
        work.console.parent.mkdir()
        work.console.hardlink_to(outside / "profile")
        with surroundings(work):
            print("printed")
        assert (outside / "profile").read_text() == "mine"
        assert work.console.read_text() == "mineprinted\n"
