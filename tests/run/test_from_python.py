"""`import runner`: the tutorial runs as it stands, answers as the commands do, and leaves the process as it was."""

import ast
import json
import logging
import os
import random
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.version import VersionBase

import runner
from runner.cli.commands.predict import predict
from runner.config import plugins

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.ipynb"


def execute(source, names):
    """Run the code of a cell; return the value of the expression that it ends with, as a notebook shows it."""
    *body, last = ast.parse(source).body
    shown = isinstance(last, ast.Expr)
    exec(compile(ast.Module(body if shown else [*body, last], []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if shown else None


def state():
    """What belongs to the process, not to a run."""
    root = logging.getLogger()
    return {
        "directory": Path.cwd(),
        "environment": dict(os.environ),
        "arguments": list(sys.argv),
        "path": list(sys.path),
        "signals": {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)},
        "log": (root.level, list(root.handlers)),
        "lightning's log": list(logging.getLogger("pytorch_lightning").handlers),
        "warnings": list(warnings.filters),
        "hydra": (GlobalHydra.instance().hydra, HydraConfig.instance().cfg, VersionBase.instance().version_base),
        "plugins": plugins.enabled(),
        "random": random.getstate(),
        "numpy": str(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "grad": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
    }


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """What each code cell showed, the names that they leave, and the state of the process before and after."""
    folder = tmp_path_factory.mktemp("tutorial")
    names, shown = {}, []
    import pytorch_lightning  # noqa: F401  (what importing a library leaves is not a call's doing)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RUNNER_SETTINGS", os.devnull)
        before = state()
        for cell in json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                shown.append(execute("".join(cell["source"]), names))
        return shown, names, before, state()


def test_the_tutorial_learns_digits_and_reads_one(tutorial):
    shown, names, *_ = tutorial
    directory, accuracy = shown[1]
    assert Path(directory, "result.json").is_file()
    assert accuracy > 0.5
    assert set(shown[3].values()) == {"done"}
    assert list(shown[-2][0]) == list(predict(Path(directory), [Path(directory).parents[3] / "zero.png"])[0])
    assert shown[-1][2:] == ((1, 10), tuple(map(str, range(10))))
    assert names["result"].status == "done"


def test_results_are_a_table_of_runs(tutorial):
    _, names, *_ = tutorial
    table = names["table"]
    assert isinstance(table, pd.DataFrame)
    assert sorted(table["model"]) == ["cnn", "mlp"]
    assert list(table["state"]) == ["done", "done"]
    for place, row in table.iterrows():
        recorded = json.loads(Path(place, "result.json").read_text())
        assert row["test/accuracy"] == recorded["metrics"]["test/accuracy"]
        assert row["parameters"] == recorded["parameters"]
    assert table["started"].is_monotonic_increasing


@pytest.mark.parametrize("what", [*state()])
def test_calls_leave_the_process_as_it_was(tutorial, what):
    _, _, before, after = tutorial
    assert after[what] == before[what]


def test_mistakes_are_told_as_on_the_command_line(runner):
    import runner as package

    with pytest.raises(package.RunnerError) as raised:
        package.run("model=mlpp", "optimizer.lr=-1", "seed=1,2")
    told = runner("model=mlpp", "optimizer.lr=-1", "seed=1,2")
    assert told.stderr == f"error: {raised.value}\n"
    assert told.returncode == 2


def test_a_sweep_tells_its_mistakes_and_plugins_are_enabled_for_a_call_only():
    before = plugins.enabled()  # a process that ran other command lines keeps what they enabled
    with pytest.raises(runner.RunnerError, match="there is no such choice"):
        runner.sweep("model=mlp,cnnn")
    with pytest.raises(runner.RunnerError):
        runner.run("model=nothing", "runner.plugins=[my_package]")
    assert plugins.enabled() == before
    assert "my_package" not in before


@pytest.mark.parametrize(("call", "words"), [(runner.load, "no run directory"), (runner.results, "no such directory")])
def test_a_place_without_a_run_is_refused(call, words, tmp_path):
    place = tmp_path / "nowhere" if call is runner.results else tmp_path
    with pytest.raises(runner.RunnerError, match=words):
        call(place)


def test_inputs_that_cannot_be_taken_are_refused(tutorial, tmp_path):
    network = tutorial[1]["network"]
    with pytest.raises(runner.RunnerError, match="there is no such file"):
        network(tmp_path / "nothing.png")
    with pytest.raises(runner.RunnerError, match="These inputs cannot be taken"):
        network(torch.zeros(1, 1, 5, 5))


def test_a_call_and_a_package_of_the_same_name_are_one():
    import runner.run.launch
    import runner.sweep.record

    assert callable(runner.run)
    assert callable(runner.sweep)
    assert {"run", "sweep", "load", "results"} <= {*dir(runner)}
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = runner.nothing


def test_importing_it_imports_nothing_heavy():
    heavy = ("torch", "hydra", "pandas", "numpy")
    program = f"import sys, runner; dir(runner); print([each for each in {heavy} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
