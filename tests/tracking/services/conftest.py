"""A run directory that real services are told of."""

import json
from pathlib import Path

import pytest

from runner.tracking.loggers import MetricsFile


@pytest.fixture
def run(tmp_path, monkeypatch) -> tuple[Path, MetricsFile]:
    """A run directory with a configuration, two steps of metrics and an exported file; the store lies beside it."""
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "run"
    (directory / "artifacts").mkdir(parents=True)
    (directory / "config.yaml").write_text("seed: 1\nmodel: {hidden: [4, 2]}\noptimizer: {lr: 0.1}\n")
    (directory / "artifacts" / "int8.onnx").write_bytes(b"network")
    artifacts = {"int8": {"path": "artifacts/int8.onnx", "bytes": 7, "network": "int8", "format": "onnx"}}
    (directory / "status.json").write_text(json.dumps({"artifacts": artifacts}))
    rows = MetricsFile(str(directory / "metrics.csv"))
    rows.log_metrics({"train/loss": 0.5, "val/accuracy": 0.25, "epoch": 0}, step=5)
    rows.log_metrics({"train/loss": 0.125, "epoch": 1}, step=11)
    return directory, rows
