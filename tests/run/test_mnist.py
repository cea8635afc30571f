"""data=mnist is trained wherever the tests run: from IDX files, by a plain command and by an experiment."""

import json

from runner.cli.main import main


def test_a_network_learns_from_idx_files(tmp_path, mnist_data, monkeypatch):
    monkeypatch.setenv("RUNNER_DATA", str(mnist_data))
    small = ["model=cnn", "optimizer.lr=0.01", "trainer.max_epochs=5", "trainer=cpu", "logger=none"]
    assert main(["data=mnist", *small, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["metrics"]["test/accuracy"] > 0.85
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["data"]


def test_a_promise_that_needs_the_real_images_is_not_kept_on_fewer(tmp_path, mnist_data, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["verify", "experiment=mnist_cnn", f"data.root={mnist_data}", "trainer.max_epochs=1", "logger=none"]
    assert main(command) == 1
    assert "NOT kept: test/accuracy is " in capsys.readouterr().out
