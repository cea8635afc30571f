"""A run that was stopped and resumed equals one that never was, bit for bit."""

import os
import signal

import pytest

from runner.cli.main import main
from runner.tasks.base import Task
from runner.tracking.weights.matching import versions
from tests.support.runs import Run, assert_same_run

# Six steps in each of three epochs; the early one stops after the second.
RECIPES = {
    "resnet": ("model=resnet", "augmentation=standard", "scheduler=one_cycle"),
    "mixup": ("model=cnn", "augmentation=mixup", "scheduler=warmup_cosine"),
    "ema": ("model=mlp", "callbacks=[checkpoint,learning_rate,ema]"),
    "plateau": ("model=mlp", "scheduler=plateau", "scheduler.patience=0", "+scheduler.threshold=0.5"),
    "staircase": ("model=mlp", "scheduler=step", "scheduler.step_size=1", "scheduler.gamma=0.5"),
    "early": (
        "model=mlp",
        "scheduler=none",
        "optimizer.lr=0.1",
        "callbacks=[checkpoint,early_stopping]",
        "callbacks.early_stopping.patience=1",
    ),
    "accumulated": ("model=mlp", "trainer.accumulate_grad_batches=4"),
    "best_only_once": ("model=mlp", "optimizer.lr=0.1", "scheduler=none"),
    # One step an epoch, on all three points.
    "lbfgs": ("data=line", "optimizer=lbfgs", "optimizer.lr=0.01", "optimizer.max_iter=2", "scheduler=none"),
    "no_checkpoints": ("model=mlp", "callbacks=[learning_rate]"),
    "lora": ("model=timm", "model.name=test_efficientnet", "finetune=lora", "finetune.rank=2", "finetune.dropout=0.1"),
    "adalora": ("model=mlp", "finetune=adalora", "finetune.rank=4", "finetune.final_rank=2", "finetune.every=2"),
    "staged": ("model=mlp", "finetune=staged", "finetune.parts=3"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, run_once):
    """`whole(recipe)` is the run that nothing stops; made once."""
    made: dict[str, Run] = {}

    def get(recipe: str) -> Run:
        if recipe not in made:
            made[recipe] = run_once(tmp_path_factory.mktemp(recipe) / "whole", *RECIPES[recipe])
        return made[recipe]

    return get


def test_the_recipes_are_what_they_are_here_for(whole):
    assert whole("early").checkpoint()["epoch"] == 1
    assert whole("best_only_once").checkpoint("best")["epoch"] < whole("best_only_once").checkpoint()["epoch"] == 2
    rates = {row[3] for row in whole("plateau").rows if row[2].startswith("lr-AdamW")}
    assert len(rates) > 1
    assert whole("accumulated").checkpoint()["global_step"] == 6
    norms = [each for name, each in whole("lora").checkpoint()["state_dict"].items() if name.endswith("running_mean")]
    assert norms and not any(each.any() for each in norms)  # as they were: 0
    averaged, plain = (versions(whole(recipe).checkpoint()["state_dict"]) for recipe in ("ema", "best_only_once"))
    assert averaged == plain
    assert plain is not None


@pytest.mark.parametrize(
    ("recipe", "step"),
    [
        ("resnet", 1),
        ("resnet", 9),
        ("resnet", 12),  # the last step of an epoch: stops between epochs
        ("resnet", 18),  # the last step of all: trained to the end, not yet tested
        ("mixup", 9),
        ("ema", 9),
        ("plateau", 3),
        ("plateau", 6),
        ("staircase", 9),
        ("early", 9),
        ("early", 12),  # the step after which early stopping ends the training
        ("accumulated", 2),  # gradients of two batches wait for two more
        ("best_only_once", 15),
        ("lbfgs", 1),
        ("no_checkpoints", 9),
        ("lora", 9),
        ("adalora", 9),  # ranks are falling
        ("staged", 9),  # two of three parts train
    ],
)
def test_interrupted_and_resumed(recipe, step, whole, train, at_step):
    at_step(step, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = train(*RECIPES[recipe], status=130)
    assert run.json("status")["state"] == "interrupted"
    assert main(["resume", str(run.path)]) == 0
    assert_same_run(whole(recipe), run)


@pytest.mark.parametrize(
    ("recipe", "step"),
    [
        ("resnet", 4),  # before the first checkpoint
        ("resnet", 9),
        ("ema", 15),
        ("plateau", 7),
        ("staircase", 9),
        ("early", 9),
        ("best_only_once", 15),
        ("lbfgs", 3),
    ],
)
def test_killed_and_resumed(recipe, step, whole, train_until_death):
    run = train_until_death(step, *RECIPES[recipe])
    assert main(["resume", str(run.path)]) == 0
    assert_same_run(whole(recipe), run)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_checkpoint_is_answered_with_the_best_one(damage, whole, train, at_step, capsys):
    at_step(15, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = train(*RECIPES["best_only_once"], status=130)
    assert run.checkpoint("best")["global_step"] < run.checkpoint()["global_step"] == 15
    place = run.path / "checkpoints" / "last.ckpt"
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes({"flipped": content, "cut": content[: len(content) // 2], "empty": b""}[damage])
    capsys.readouterr()
    assert main(["resume", str(run.path)]) == 0
    told = capsys.readouterr().out
    assert "last.ckpt" in told and "damaged" in told and "Goes on after epoch 1, from best.ckpt" in told
    assert_same_run(whole("best_only_once"), run)


def test_stopped_twice(whole, train, at_step, capsys):
    at_step(8, lambda: os.kill(os.getpid(), signal.SIGTERM))
    run = train(*RECIPES["resnet"], status=143)
    assert capsys.readouterr().err == f"stopped by SIGTERM; continue with: python -m runner resume {run.path}\n"
    assert (run.json("status")["state"], run.json("status")["error"]) == ("interrupted", "stopped by SIGTERM")
    at_step(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert main(["resume", str(run.path)]) == 130
    assert run.checkpoint()["global_step"] == 10
    assert main(["resume", str(run.path)]) == 0
    assert_same_run(whole("resnet"), run)


def test_a_second_signal_stops_in_the_middle_of_a_step(whole, train, at_step):
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    at_step(9, twice)
    run = train(*RECIPES["resnet"], status=130)
    assert run.json("status")["state"] == "interrupted"
    assert run.checkpoint()["global_step"] == 6
    assert main(["resume", str(run.path)]) == 0
    assert_same_run(whole("resnet"), run)


def test_memorizing_one_batch_goes_on_where_it_was(train, at_step):
    settings = ("model=mlp", "mode=overfit", "trainer.max_epochs=9")
    expected = train(*settings)
    at_step(5, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = train(*settings, status=130)
    assert main(["resume", str(run.path)]) == 0
    assert_same_run(expected, run)


def test_resumed_where_it_was_moved_to(whole, train, at_step, tmp_path):
    at_step(15, lambda: os.kill(os.getpid(), signal.SIGINT))
    run = train(*RECIPES["best_only_once"], status=130)
    moved = Run(run.path.rename(tmp_path / "elsewhere"))
    assert main(["resume", str(moved.path)]) == 0
    assert_same_run(whole("best_only_once"), moved)
    assert not run.path.exists()


@pytest.mark.parametrize("recipe", ["resnet", "no_checkpoints"])
def test_interrupted_while_testing(recipe, whole, train, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Task, "test_step", lambda *_: os.kill(os.getpid(), signal.SIGINT))
        run = train(*RECIPES[recipe], status=130)
    assert run.json("status")["done"] == ["fit"]
    assert main(["resume", str(run.path)]) == 0
    assert_same_run(whole(recipe), run)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(whole, train):
    assert_same_run(whole("resnet"), train(*RECIPES["resnet"]))
    assert train(*RECIPES["resnet"], "seed=2").metrics != whole("resnet").metrics


def test_the_curves_in_tensorboard_go_on_without_a_gap_or_a_double(train, train_until_death, curves):
    settings = ("model=mlp", "logger=tensorboard")
    expected = curves(train(*settings))
    assert len(expected["train/loss"]) == 3
    run = train_until_death(9, *settings)
    assert main(["resume", str(run.path)]) == 0
    assert curves(run) == expected
