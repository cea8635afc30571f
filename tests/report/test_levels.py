"""Ways of fine-tuning side by side: their costs in the table, and one picture with a panel for each."""

import pytest
from matplotlib.image import imread

from runner.report.levels import compares_levels, draw_levels, row_name
from runner.report.report import build_report
from runner.report.runs import find_runs
from runner.sweep import summary
from runner.sweep.record import DONE, Entry, Sweep
from tests.support.written_runs import writer


@pytest.fixture
def write(tmp_path):
    return writer(tmp_path / "runs")


@pytest.fixture
def levels(write):
    for name, share, accuracy in (("full", 1.0, 0.94), ("lora", 0.017, 0.96), ("head", 0.004, 0.5)):
        metrics = {"test/accuracy": accuracy, "finetune/trainable_share": share, "finetune/latency_ms": 12.0}
        metrics |= {"finetune/peak_memory_bytes": 4e8 * accuracy, "finetune/step_seconds": 0.05}
        path = write(choices={"model": "cnn", "data": "digits", "finetune": name}, metrics=metrics)
    return build_report(find_runs([path.parent]))


def test_their_costs_are_columns_behind_the_metric(levels):
    costs = ["trainable_share", "peak_memory_bytes", "step_seconds", "latency_ms"]
    assert levels.metrics == ["test/accuracy", *(f"finetune/{name}" for name in costs)]
    assert [row_name(row, levels.columns) for row in levels.rows] == ["lora", "full", "head"]


def test_one_picture_has_a_row_for_each_and_strong_bars_for_the_best(levels, tmp_path):
    assert compares_levels(levels)
    pixels = imread(draw_levels(levels, tmp_path / "levels.png"))[..., :3]
    strong = (abs(pixels - [0x2A / 255, 0x6F / 255, 0xBB / 255]).max(-1) < 0.02).nonzero()
    height, width = pixels.shape[:2]
    assert width > 3 * height
    # The best accuracy is the first row's, the least share and memory the last one's; equal times are nobody's best.
    assert {int(column // (width / 5)) for column in strong[1]} <= {0, 1, 2}
    assert strong[0].min() < height / 2 < strong[0].max()


def test_a_sweep_ends_in_both(levels, tmp_path, capsys):
    place = levels.rows[0].runs[0].path.parent
    summary.show(Sweep(place, []), [Entry(number, [], [], state=DONE) for number in range(3)])
    table = capsys.readouterr().out
    assert "lora" in table and "peak memory bytes" in table and "Picture" in table
    assert (place / "fine_tuning.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_drawn_of_other_runs(write):
    path = write(metrics={"test/accuracy": 0.9})
    assert not compares_levels(build_report(find_runs([path.parent])))
    assert not compares_levels(build_report([]))
