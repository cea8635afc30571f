"""metrics.csv: appended row by row, and continued where the checkpoint was."""

from runner.tracking.loggers import MetricsFile


def rows(path):
    return [line.split(",") for line in path.read_text().splitlines()]


def test_every_value_is_a_row(tmp_path):
    logger = MetricsFile(str(tmp_path / "metrics.csv"))
    logger.log_metrics({"train/loss": 0.5, "epoch": 0}, step=10)
    logger.log_metrics({"val/loss": 0.25, "val/accuracy": 0.1, "epoch": 1}, step=20)
    assert rows(tmp_path / "metrics.csv") == [
        ["step", "epoch", "metric", "value"],
        ["10", "0", "train/loss", "0.5"],
        ["20", "1", "val/loss", "0.25"],
        ["20", "1", "val/accuracy", "0.1"],
    ]


def test_a_continued_run_drops_what_came_after_its_checkpoint(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,epoch,metric,value\n10,0,a,1.0\n20,1,a,2.0\n30,2,a,3.0\n40,3")
    logger = MetricsFile(str(path))
    logger.continue_from(21)
    logger.log_metrics({"a": 4.0, "epoch": 2}, step=30)
    assert rows(path)[1:] == [["10", "0", "a", "1.0"], ["20", "1", "a", "2.0"], ["30", "2", "a", "4.0"]]


def test_continuing_without_a_file_is_fine(tmp_path):
    MetricsFile(str(tmp_path / "metrics.csv")).continue_from(5)
    assert not (tmp_path / "metrics.csv").exists()
