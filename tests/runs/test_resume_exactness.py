"""A run that was stopped and resumed equals one that never was, bit for bit."""

import os
import signal

import pytest

from runner.cli import main
from conftest import Died, Run, assert_same_run

RECIPES = {
    "one_cycle": ("data=digits", "model=resnet", "augmentation=standard", "scheduler=one_cycle"),
    "ema": ("data=digits", "model=mlp", "callbacks=[checkpoint,learning_rate,ema]"),
    "plateau": ("data=digits", "model=mlp", "scheduler=plateau", "scheduler.patience=0", "scheduler.threshold=0.5"),
    "step": ("data=digits", "model=mlp", "scheduler=step", "scheduler.step_size=1", "scheduler.gamma=0.5"),
    "lbfgs": ("data=line", "optimizer=lbfgs", "optimizer.lr=0.01", "optimizer.max_iter=2", "scheduler=none"),
    "early": (
        "data=digits",
        "model=mlp",
        "trainer.max_epochs=8",
        "optimizer.lr=0.1",
        "callbacks=[checkpoint,learning_rate,early_stopping]",
        "callbacks.early_stopping.patience=1",
    ),
    "accum": ("data=digits", "model=mlp", "trainer.accumulate_grad_batches=4"),
}


@pytest.mark.parametrize("how", ["int", "die"])
@pytest.mark.parametrize("step", [1, 4, 6, 7, 9, 12, 18])
@pytest.mark.parametrize("recipe", RECIPES)
def test_resume(recipe, step, how, train, at_step, monkeypatch):
    whole = train(*RECIPES[recipe])

    def die():
        raise Died

    at_step(step, die if how == "die" else lambda: os.kill(os.getpid(), signal.SIGINT))
    if how == "die":
        with pytest.raises(Died):
            train(*RECIPES[recipe])
        run = Run(whole.path.with_name("run2"))
        run.declare_dead()
    else:
        if recipe == "lbfgs" and step > 3:
            pytest.skip()
        run = train(*RECIPES[recipe], status=130)
    assert main(["resume", str(run.path)]) == 0
    assert_same_run(whole, run)
