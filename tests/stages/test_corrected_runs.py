"""Corrections by command: a line and metrics for each, and a program that is proven as ever."""

from runner.cli.main import main
from runner.tracking.result import RunResult


def test_each_correction_is_said_and_recorded_before_and_after(tmp_path, capsys):
    command = ["model=resnet", "data=digits", "quantization=ptq_static", "stages=[fit,compress]", "logger=csv"]
    switches = [f"quantization.corrections.{each}" for each in ("equalize=true", "bias_correction=true")]
    small = ["trainer.max_epochs=1", "trainer=cpu", "quantization.calibration.batches=2"]
    directory = tmp_path / "run"
    assert main([f"hydra.run.dir={directory}", *command, *switches, *small]) == 0
    metrics, printed = RunResult.load(directory / "result.json").metrics, capsys.readouterr().out
    for name in ("equalize", "bias_correction"):
        for when in ("before", "after"):
            assert metrics[f"compressed/corrections/{name}/{when}_sqnr_db"] > 20
            assert 0 <= metrics[f"compressed/corrections/{name}/{when}_accuracy"] <= 1
        assert f"{name} (" in printed
    assert "equalize (2 pairs of layers): output SQNR " in printed  # those inside the residual blocks
    assert metrics["compressed/kernels/int8/conv"] == 6
