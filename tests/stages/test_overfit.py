"""mode=overfit: one batch, and a verdict."""

from runner.tracking.result import RunResult


def verdict(capsys):
    return next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Verdict: "))


def test_a_network_that_can_learn(run, capsys):
    directory = run("mode=overfit", "model=mlp", "data=digits", "logger=none", "trainer.max_epochs=60")
    assert verdict(capsys).startswith("Verdict: mlp-digits memorised one batch: loss ")
    metrics = RunResult.load(directory / "result.json").metrics
    assert metrics["overfit/last_loss"] <= 0.05 * metrics["overfit/first_loss"]
    assert not any(name.startswith(("val/", "test/")) for name in metrics)


def test_one_that_cannot(run, capsys):
    run("mode=overfit", "model=mlp", "data=digits", "logger=none", "trainer.max_epochs=20", "optimizer.lr=1e-12")
    said = verdict(capsys)
    assert said.startswith("Verdict: mlp-digits did NOT memorise one batch: loss ")
    assert "Look at optimizer.lr" in said


def test_a_regression_is_judged_too(run, capsys):
    run("mode=overfit", "data=line", "logger=none", "optimizer=lbfgs", "scheduler=none", "trainer.max_epochs=5")
    assert "memorised one batch" in verdict(capsys)
