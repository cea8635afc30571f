"""metrics.csv: appended row by row, and gone on with where the file was when something was kept."""

import re

import pytest

from runner.errors import RunnerError
from runner.tracking.loggers import MetricsFile, TensorBoard, metrics_bytes, place_in, silenced


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


def test_a_resumed_run_writes_on_where_the_file_was_when_something_was_kept(tmp_path):
    path = tmp_path / "metrics.csv"
    logger = MetricsFile(str(path))
    logger.log_metrics({"a": 1.0, "epoch": 0}, step=10)
    curves, kept = place_in([logger], {"b": 2.0, "epoch": 0.0}, step=10), path.read_bytes()
    logger.log_metrics({"b": 2.0, "epoch": 0}, step=10)
    whole = path.read_bytes()
    logger.log_metrics({"a": 3.0, "epoch": 1}, step=20)
    for killed in (kept, kept + b"10,", whole, path.read_bytes(), path.read_bytes() + b"30,"):
        path.write_bytes(killed)
        again = MetricsFile(str(path))
        again.resume(0)
        again.continue_from(11, curves)
        assert path.read_bytes()[: again.size] == whole
        again.finalize("success")
        assert path.read_bytes() == whole


def test_stages_that_are_done_keep_their_rows_and_those_done_again_write_none(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,epoch,metric,value\n10,0,a,1.0\n,,test/a,2.0\n20,1,")
    logger = MetricsFile(str(path))
    logger.resume(size := path.read_bytes().index(b"20"))
    logger.continue_from(10, {"bytes": 36, "waiting": {"a": 5.0}, "step": 9})  # of a stage before
    with silenced([logger]):
        logger.log_metrics({"test/a": 2.0})
        logger.continue_from(0, {"bytes": 0, "waiting": {}, "step": 0})
    assert (metrics_bytes([logger]), path.stat().st_size) == (size, size + 5)
    logger.log_metrics({"test/b": 3.0})
    assert rows(path)[1:] == [["10", "0", "a", "1.0"], ["", "", "test/a", "2.0"], ["", "", "test/b", "3.0"]]


@pytest.mark.parametrize("left", [b"", b"step,epoch,metric,value\n", b"step,epoch,metric,value\n1,0,a,1.0\n2,"])
def test_a_file_that_somebody_shortened_goes_on_after_its_whole_lines(tmp_path, left):
    path = tmp_path / "metrics.csv"
    path.write_bytes(left)
    logger = MetricsFile(str(path))
    logger.resume(1000)
    logger.log_metrics({"b": 4.0, "epoch": 2}, step=30)
    assert rows(path)[0] == ["step", "epoch", "metric", "value"]
    assert rows(path)[-1] == ["30", "2", "b", "4.0"]
    assert len(rows(path)) == 2 + left.count(b"1.0")


def test_rows_of_an_older_version_are_dropped_by_their_step(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,epoch,metric,value\r\n10,0,a,1.0\r\n20,1,a,2.0\r\n30,2,a,3.0\r\n40,3", newline="")
    logger = MetricsFile(str(path))
    logger.resume(None)
    logger.continue_from(21, {})
    logger.log_metrics({"a": 4.0, "epoch": 2}, step=30)
    assert rows(path)[1:] == [["10", "0", "a", "1.0"], ["20", "1", "a", "2.0"], ["30", "2", "a", "4.0"]]


def test_continuing_without_a_file_is_fine(tmp_path):
    logger = MetricsFile(str(tmp_path / "metrics.csv"))
    for size in (None, 0, 10):
        logger.resume(size)
        logger.continue_from(5, {})
        logger.finalize("success")
    assert not (tmp_path / "metrics.csv").exists()


def test_a_folder_is_no_place_for_rows(tmp_path):
    with pytest.raises(RunnerError, match=r"logger\.csv\.path=.*: is a directory"):
        MetricsFile(str(tmp_path))


def test_custom_scalars_show_a_metric_of_all_splits_in_one_chart(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata

    board = TensorBoard(str(tmp_path))
    board.log_metrics({"train/loss": 1.0}, 0)
    for step in (1, 2):
        board.log_metrics({"val/accuracy": 0.5, "val/loss": 1.0}, step)
    board.finalize("success")
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    (event,) = read.Tensors(metadata.CONFIG_SUMMARY_TAG)
    (category,) = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0]).category
    assert [chart.title for chart in category.chart] == ["loss", "accuracy", "learning rate"]
    (loss,) = category.chart[0].multiline.tag
    tags = ["train/loss", "val/loss", "qat/val/loss", "train/loss_of_boxes", "val/accuracy", "strain/loss"]
    assert [tag for tag in tags if re.search(loss, tag)] == tags[:3]
