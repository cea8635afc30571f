"""Runs with a teacher: where it may come from, what it leaves behind, and that a stopped one goes on exactly."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from runner.cli.main import main
from tests.support.runs import Run, assert_same_run, differences

STUDENT = ("model=cnn", "model.channels=[2,4]")
FACTORIZED = ("model=cnn", "trainer.max_epochs=1", "stages=[fit,test,factorize,test]")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, run_once) -> Path:
    """The directory of a finished run with its network exported as a program."""
    path = tmp_path_factory.mktemp("teacher") / "run"
    run_once(path, "model=cnn", "stages=[fit,export]", "export.formats=[program]")
    return path


@pytest.fixture
def altered(tmp_path, teacher) -> Callable[..., Path]:
    """A copy of the teacher whose checkpoint says something else of its data."""

    def copy(**changes: Any) -> Path:
        path = shutil.copytree(teacher, tmp_path / "altered")
        content = torch.load(path / "checkpoints" / "best.ckpt", weights_only=True)
        (state,) = (value for value in content.values() if isinstance(value, dict) and "class_names" in value)
        state.update(changes)
        torch.save(content, path / "checkpoints" / "best.ckpt")
        return path

    return copy


def taught(kind: str, teacher: Path | str) -> tuple[str, ...]:
    return (f"distillation={kind}", f"distillation.teacher={teacher}")


@pytest.fixture
def resumed() -> Callable[[Run], Run]:
    def resume(run: Run) -> Run:
        assert main(["resume", str(run.path)]) == 0
        return run

    return resume


def test_a_student_killed_in_training_goes_on_with_its_projections_exactly(train, train_until_death, resumed, teacher):
    whole = train(*STUDENT, *taught("features", teacher))
    assert any(name.startswith("distillation_loss.projections") for name in whole.checkpoint("best")["state_dict"])
    assert_same_run(resumed(train_until_death(9, *STUDENT, *taught("features", teacher))), whole)


def test_what_guided_the_training_is_not_needed_afterwards(train, teacher):
    student = train(*STUDENT, *taught("features", teacher))
    again = train(*STUDENT, f"checkpoint={student.path}", "stages=[test]")
    assert again.metrics["test/loss"] == student.metrics["test/loss"]
    assert (
        sum(each.numel() for each in student.checkpoint()["state_dict"].values()) > again.json("result")["parameters"]
    )


def test_a_teacher_changes_the_training_and_a_share_of_zero_does_not(train, teacher):
    alone = train(*STUDENT)
    assert train(*STUDENT, *taught("logits", teacher)).metrics["test/loss"] != alone.metrics["test/loss"]
    same = train(*STUDENT, *taught("features", teacher), "distillation.weight=0").checkpoint("best")["state_dict"]
    network = {name: value for name, value in same.items() if not name.startswith("distillation_loss.")}
    assert differences(network, alone.checkpoint("best")["state_dict"]) == []


def test_directory_checkpoint_and_program_are_the_same_teacher(train, teacher):
    places = (teacher, teacher / "checkpoints" / "best.ckpt", teacher / "artifacts" / "float.pt2")
    losses = [train(*STUDENT, *taught("logits", place)).metrics["train/loss"] for place in places]
    assert losses[0] == losses[1]
    assert losses[2] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_names": [f"letter {number}" for number in range(10)]}, "knows other classes (letter 0, letter 1"),
        ({"mean": [0.5]}, "its data was scaled by other numbers (inputs' mean)"),
    ],
)
def test_a_teacher_of_another_problem_is_refused(train, altered, capsys, changes, words):
    train(*STUDENT, *taught("logits", altered(**changes)), status=2)
    assert words in " ".join(capsys.readouterr().err.split())


def test_what_is_no_teacher_is_refused(train, tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    train(*STUDENT, *taught("logits", "notes.txt"), status=2)
    assert "there is no such run directory. A teacher is a run directory, a .ckpt file" in flat(capsys)
    (tmp_path / "empty").mkdir()
    train(*STUDENT, *taught("logits", "empty"), status=2)
    assert "no run directory (it holds no config.yaml)" in flat(capsys)


def test_weights_of_any_tool_teach_where_they_are_of_this_network(train, teacher, tmp_path, capsys):
    state = torch.load(teacher / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    torch.save({"model": {name.replace("network.", "module."): each for name, each in state.items()}}, "t.pth")
    learned = train("model=cnn", *taught("logits", "t.pth"))
    assert differences(learned.metrics, train("model=cnn", *taught("logits", teacher)).metrics) == []
    train(*STUDENT, *taught("logits", "t.pth"), status=2)
    assert "A file doesn't say what network it is of, so this run's is meant." in flat(capsys)


def flat(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_a_factorized_network_is_kept_with_the_steps_to_its_shape(train, teacher):
    run = train(*FACTORIZED, "factorization=low_rank", "factorization.skip=[features.0]", f"checkpoint={teacher}")
    (step,) = run.checkpoint("factorized")["structure"]
    assert (step["change"], set(step["ranks"])) == ("low_rank", {"features.3", "head"})
    with (run.path / "artifacts" / "factorized_layers.csv").open() as file:
        rows = {row["layer"]: row for row in csv.DictReader(file)}
    assert rows["features.0"]["stays"] == "skipped"
    assert sum(int(row["after"]) for row in rows.values()) == run.metrics["factorized/parameters"]
    again = train("model=cnn", f"checkpoint={run.path}", "stages=[test]")
    assert again.metrics["test/loss"] == run.metrics["factorized/loss"]
    assert again.metrics["test/loss"] != run.metrics["test/loss"]


def test_a_run_killed_while_it_tunes_what_it_factorized_goes_on_exactly(train, train_until_death, resumed):
    """With its trained self as the teacher; six steps of training, then twelve of fine-tuning."""
    chosen = ("factorization=depthwise", "factorization.fine_tune.epochs=2", *taught("attention", "self"))
    whole = train(*FACTORIZED, *chosen)
    again = resumed(train_until_death(9, *FACTORIZED, *chosen))
    assert differences(again.metrics, whole.metrics) == []
    kept, wanted = (run.checkpoint("factorized") for run in (again, whole))
    assert differences(kept["state_dict"], wanted["state_dict"]) == []
    assert kept["structure"] == wanted["structure"]


def test_a_run_killed_after_factorizing_takes_up_what_it_made(train, resumed):
    run = train(*FACTORIZED, "factorization=low_rank", "factorization.fine_tune.epochs=0")
    before, metrics = (run.path / "checkpoints" / "factorized.ckpt").stat().st_mtime_ns, run.metrics
    status = run.json("status")
    run.declare_dead()
    assert status["done"] == ["fit", "test", "factorize", "test"]
    (run.path / "result.json").unlink()
    assert resumed(run).metrics == metrics
    assert (run.path / "checkpoints" / "factorized.ckpt").stat().st_mtime_ns == before


def test_a_skip_name_that_matches_nothing_is_told_before_training(train, capsys):
    run = train("model=cnn", "factorization=low_rank", "factorization.skip=[haed]", status=2)
    assert "No layer of CNN is named, or is of type, 'haed'. Did you mean head" in flat(capsys)
    assert not (run.path / "checkpoints").exists()
