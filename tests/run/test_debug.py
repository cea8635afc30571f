"""mode=debug: full tracebacks, one process, and the operation that first produced a NaN."""

import pytest

from runner.cli.main import main

NETWORK = """\
import torch


class Brittle(torch.nn.Module):
    \"\"\"Its loss is finite and its gradient is not: the derivative of a square root at 0, times 0.\"\"\"

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs):
        return (self.weight * 0).sqrt() * 0 + inputs * self.weight
"""


def test_the_traceback_of_a_mistake_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["mode=debug", "model.channels=[]"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Traceback (most recent call last):")
    assert 'resnet.py"' in error
    assert error.splitlines()[-1].startswith("error: model (runner.models.resnet.ResidualNet): IndexError")


def test_otherwise_it_is_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["model.channels=[]"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_nan_is_found_where_it_arises(tmp_path, monkeypatch):
    (tmp_path / "brittle.py").write_text(NETWORK)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "brittle.yaml").write_text("_target_: brittle.Brittle\ntakes: [tabular]\n")
    monkeypatch.chdir(tmp_path)
    command = ["data=line", "model=brittle", "runner.plugins=[brittle]", "logger=none", "trainer.max_epochs=1"]
    with pytest.raises(RuntimeError, match=r"Function 'Sqrt.* returned nan values"):
        main([*command, "mode=debug"])


def test_one_process_and_every_step():
    from runner.config.compose import compose

    config = compose(["mode=debug", "data.num_workers=4", "model=cnn"]).config
    assert config.data.num_workers == 4  # what the command line says wins
    config = compose(["mode=debug", "compile=false"]).config
    assert (config.data.num_workers, config.trainer.detect_anomaly, config.trainer.log_every_n_steps) == (0, True, 1)
