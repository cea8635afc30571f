"""report and compare, on a sweep of real short runs."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import pytest

from runner.cli.main import main

PROGRAM = """
import sys
from runner.cli.main import main
for arguments in {commands!r}:
    assert main(arguments) == 0
import runner.report.report, runner.report.terminal, runner.report.formats, runner.report.comparison
heavy = ("torch", "torchvision", "pytorch_lightning", "timm", "sklearn", "matplotlib", "numpy", "pandas", "hydra")
print("HEAVY", [name for name in heavy if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two networks with two seeds each."""
    path = tmp_path_factory.mktemp("sweep") / "four"
    before = os.environ.pop("RUNNER_RUN_DIRECTORY", None)
    assert main(["-m", "model=cnn,mlp", "seed=1,2", "mode=smoke", "logger=csv", f"hydra.sweep.dir={path}"]) == 0
    os.environ.pop("RUNNER_RUN_DIRECTORY", None)
    if before is not None:
        os.environ["RUNNER_RUN_DIRECTORY"] = before
    return path


def results(sweep):
    """What the runs' own files say, by model and seed."""
    contents = [json.loads(path.read_text()) for path in sweep.glob("*/result.json")]
    return {(each["choices"]["model"], each["settings"]["seed"]): each["metrics"] for each in contents}


def out(capsys):
    return capsys.readouterr().out


def test_a_sweep_is_one_table_with_the_choice_and_its_seeds(sweep, capsys):
    assert main(["report", str(sweep)]) == 0
    lines = out(capsys).splitlines()
    assert lines[0].startswith("4 runs, ranked by val/accuracy, the best checkpoint's; the highest first; in ")
    assert lines[1].split()[:3] == ["model", "seeds", "val/accuracy"]
    found = results(sweep)
    means = {model: (found[model, 1]["val/accuracy"] + found[model, 2]["val/accuracy"]) / 2 for model in ("cnn", "mlp")}
    rows = [line.split()[:3] for line in lines[2:4]]
    assert rows == [[m, "2", f"{means[m]:.4f}"] for m in sorted(means, key=lambda model: -means[model])]


def test_csv_holds_what_the_runs_measured(sweep, capsys):
    assert main(["report", str(sweep), "--format", "csv", "--no-group"]) == 0
    rows = list(csv.DictReader(io.StringIO(out(capsys))))
    found = {(row["model"], int(row["seed"])): float(row["test/accuracy"]) for row in rows}
    assert found == {key: metrics["test/accuracy"] for key, metrics in results(sweep).items()}


def test_options_choose_what_is_shown(sweep, capsys):
    options = ["--where", "seed=2", "--metric", "test/loss", "--columns", "model,val/loss", "--format", "json"]
    assert main(["report", str(sweep), *options]) == 0
    content = json.loads(out(capsys))
    assert (content["metric"], content["mode"]) == ("test/loss", "min")
    assert content["metrics"] == ["test/loss", "val/loss"]
    losses = {row["settings"]["model"]: row["metrics"]["test/loss"]["mean"] for row in content["rows"]}
    assert losses == {model: results(sweep)[model, 2]["test/loss"] for model in ("cnn", "mlp")}
    assert list(losses.values()) == sorted(losses.values())
    assert main(["report", str(sweep), "--best-per", "seed", "--no-group", "--format", "markdown"]) == 0
    assert len([line for line in out(capsys).splitlines() if line.startswith("|")]) == 4


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.csv", "model,"), ("a.md", "4 runs"), ("a.json", "{"), ("a.txt", "4 runs"), ("a.html", "<!doctype html>")],
)
def test_the_name_of_the_file_says_the_format(sweep, tmp_path, capsys, name, start):
    assert main(["report", str(sweep), "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text().lower().startswith(start)
    assert out(capsys) == f"2 rows, 0 runs not done: {tmp_path / name}\n"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_page_lies_in_the_first_place_by_default(sweep, capsys):
    assert main(["report", str(sweep), "--format", "html"]) == 0
    assert out(capsys).endswith(f"{sweep / 'report.html'}\n")
    (sweep / "report.html").unlink()


def test_broken_runs_are_listed_and_the_rest_is_reported(sweep, tmp_path, capsys):
    shutil.copytree(sweep, tmp_path / "copy")
    (tmp_path / "copy" / "0" / "result.json").write_text("{")
    (tmp_path / "copy" / "1" / "result.json").unlink()
    assert main(["report", str(tmp_path / "copy")]) == 0
    text = out(capsys)
    assert "2 runs are not done:" in text
    assert "damaged  0  result.json is no JSON" in text
    assert "damaged  1  status.json says done, but there is no result.json" in text
    assert text.startswith("2 runs, ranked by val/accuracy")


def test_without_a_place_the_newest_sweep_is_reported(sweep, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 2
    assert "There is no directory outputs here" in capsys.readouterr().err
    for day, job in (("2026-01-01/10-00-00-a", "0"), ("2026-01-02/09-00-00-b", "3")):
        shutil.copytree(sweep / job, tmp_path / "outputs" / "sweeps" / day / job)
    (tmp_path / "outputs" / "sweeps" / "2026-01-03" / "09-00-00-empty").mkdir(parents=True)
    assert main(["report"]) == 0
    assert out(capsys).splitlines()[0].endswith("in outputs/sweeps/2026-01-02/09-00-00-b")
    shutil.rmtree(tmp_path / "outputs" / "sweeps")
    shutil.copytree(sweep / "0", tmp_path / "outputs" / "runs" / "day" / "run")
    assert main(["report"]) == 0
    assert out(capsys).splitlines()[0].endswith("in outputs/runs/day")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "nowhere"], "nowhere: there is no such directory"),
        (["report", "{empty}"], "holds no run"),
        (["report", "{sweep}", "--where", "modl=cnn"], "--where modl: no run has it. Did you mean model"),
        (["report", "{sweep}", "--output", "nowhere/a.csv"], "--output nowhere/a.csv: there is no directory nowhere"),
        (["report", "{sweep}", "--output", "{empty}"], "is a directory; name a file"),
        (["compare", "{sweep}", "{sweep}/0"], "holds 4 runs (0, 1, 2, 3, …); name one"),
        (["compare", "{sweep}/0", "nowhere"], "nowhere: there is no such directory"),
    ],
)
def test_mistakes_are_named(sweep, tmp_path, capsys, arguments, words):
    places = {"sweep": sweep, "empty": tmp_path}
    assert main([each.format(**places) for each in arguments]) == 2
    assert words in capsys.readouterr().err


def test_two_runs_are_compared(sweep, capsys):
    assert main(["compare", str(sweep / "0"), str(sweep / "3")]) == 0
    lines = out(capsys).splitlines()
    cells = {line.split("  ")[0]: [cell.strip() for cell in line.split("  ")[1:] if cell.strip()] for line in lines}
    assert cells["model"] == ["cnn", "mlp"]
    assert cells["seed"] == ["1", "2"]
    assert cells["model.hidden"] == ["[512, 256, 128, 64]"]
    one, other = results(sweep)["cnn", 1]["test/accuracy"], results(sweep)["mlp", 2]["test/accuracy"]
    assert cells["test/accuracy"] == [f"{one:.4f}", f"{other:.4f}", f"{other - one:+.4f}"]
    assert cells["parameters"] == ["8,490", "575,050", "+566,560"]
    assert "optimizer.lr" not in cells
    assert any(line.startswith("environment: ") and line.endswith(" equal") for line in lines)


def test_a_run_equals_itself(sweep, capsys):
    assert main(["compare", str(sweep / "0"), str(sweep / "0")]) == 0
    sections = [line for line in out(capsys).splitlines()[2:] if line]
    assert sections.pop().startswith("Equal by val/accuracy, the best checkpoint's: A ")
    assert [line.split(":")[0] for line in sections] == ["configuration", "metrics", "environment"]
    assert all(line.endswith(" equal") for line in sections)
    assert main(["compare", str(sweep / "0"), str(sweep / "0"), "--all"]) == 0
    assert "optimizer.lr" in out(capsys)


def test_a_run_that_failed_can_be_compared(sweep, tmp_path, capsys):
    shutil.copytree(sweep / "0", tmp_path / "failed")
    (tmp_path / "failed" / "result.json").unlink()
    (tmp_path / "failed" / "environment.json").unlink()
    status = {"state": "failed", "error": "ValueError: no", "choices": {"model": "cnn"}}
    (tmp_path / "failed" / "status.json").write_text(json.dumps(status))
    assert main(["compare", str(sweep / "1"), str(tmp_path / "failed")]) == 0
    text = out(capsys)
    assert f"B  {tmp_path / 'failed'}   failed: ValueError: no" in text
    assert any(line.split() == ["data.shuffle_seed", "2", "1"] for line in text.splitlines())


def test_neither_command_imports_anything_heavy(sweep):
    commands = [["report", str(sweep)], ["report", str(sweep), "-f", "json"], ["compare", f"{sweep}/0", f"{sweep}/1"]]
    program = PROGRAM.format(commands=commands)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "HEAVY []" in done.stderr, done.stderr
