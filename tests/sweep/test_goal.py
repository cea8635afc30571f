"""A goal among recipes: tried in the order of their promise, the first good enough ends the search."""

import json

import pytest

from runner.cli.main import main
from runner.sweep.goal import points, promised
from runner.sweep.plan import plan

MLP = ("-m", "model=mlp", "data=digits", "trainer.max_epochs=2", "trainer=cpu", "logger=csv")
QUICK = (
    "benchmark.batch_sizes=[16]",
    "benchmark.bf16=false",
    "benchmark.runs=2",
    "benchmark.seconds=0.01",
    "export.formats=[program]",
    "hydra.sweep.dir=sweep",
)
RECIPES = "sweep.recipes=['quantization=bf16','quantization=weight_int4','quantization=weight_int8']"


def test_a_drop_is_in_percentage_points_of_a_share_and_in_percent_of_anything_else():
    assert points(0.99, 0.987, larger=True) == pytest.approx(0.3)
    assert points(0.99, 0.995, larger=True) == pytest.approx(-0.5)
    assert points(50.0, 51.0, larger=False) == pytest.approx(2.0)
    assert points(0.5, 0.6, larger=False) == pytest.approx(20.0)


def test_what_a_recipe_promises_is_the_product_of_what_its_methods_leave():
    texts = ["sweep=compression", "model=resnet", "data=digits"]
    recipe = "pruning=channel pruning.macs=0.8 quantization=ptq_static"
    (job,) = [job for job in plan([*texts, f"sweep.recipes=['{recipe}']"], None).jobs if job.needs is not None]
    assert promised(job, "size") == pytest.approx(0.2 * 0.26)
    (dense, *_) = plan(texts, None).jobs
    assert promised(dense, "size") == 1


def test_the_most_promising_recipe_that_is_good_enough_ends_the_search(tmp_path, monkeypatch, capsys, uncompiled):
    monkeypatch.chdir(tmp_path)
    assert main([*MLP, *QUICK, RECIPES, "compression.goal={max_drop: 2, minimise: size}", "sweep.test=winner"]) == 0
    said = capsys.readouterr().out
    assert "Goal met: quantization=weight_int4" in said
    written = json.loads((tmp_path / "sweep" / "goal.json").read_text())
    (tried,) = written["tried"].values()
    assert [each["recipe"] for each in tried] == ["quantization=weight_int4"]
    assert tried[0]["met"] and tried[0]["drop"] <= 2 and tried[0]["left"] < 0.2
    jobs = {job["number"]: job for job in json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"]}
    assert {number: job["state"] for number, job in jobs.items()} == {0: "done", 1: "skipped", 2: "done", 3: "skipped"}
    assert jobs[1]["error"] == "not needed: quantization=weight_int4 meets the goal"
    tested = {number: "compressed/accuracy" in measured(tmp_path, number) for number in (0, 2)}
    assert tested == {0: False, 2: True}, "only the recipe that meets the goal is tested"
    assert not [name for name in measured(tmp_path, 0) if name.startswith("test/")]


def measured(folder, number):
    return json.loads((folder / "sweep" / str(number) / "result.json").read_text())["metrics"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["compression.goal={max_drop: 1, minimise: size}"], "add sweep=compression"),
        (["sweep=compression", "compression.goal={max_drop: -1, minimise: size}"], "compression.goal.max_drop=-1"),
        (["sweep=compression", "compression.goal={max_drop: 1, minimise: bytes}"], "must be one of size, latency"),
        (["sweep=compression", "compression.goal={max_drop: 1}"], "compression.goal.minimise is missing"),
        (["sweep=compression", "sweep.recipes=['quantisation=qat']"], "Did you mean quantization"),
    ],
)
def test_goals_that_mean_nothing_are_refused(texts, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*MLP, *texts]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


def test_a_goal_without_a_sweep_is_refused(capsys):
    assert main(["model=mlp", "compression.goal={max_drop: 1, minimise: size}"]) == 2
    assert "add -m sweep=compression" in capsys.readouterr().err
