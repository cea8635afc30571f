"""Figures: what they compute is right, what they show is there, and no window library is loaded."""

import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from runner.tasks.figures import overlays, plots

TRUE = torch.tensor([0, 0, 1, 1, 1, 2])
PREDICTED = torch.tensor([0, 1, 1, 1, 0, 2])
NAMES = ("ant", "bee", "cat")


def counts() -> torch.Tensor:
    return plots.confusion_counts(TRUE, PREDICTED, 3)


def test_confusion_counts_equal_scikit_learn() -> None:
    assert counts().tolist() == confusion_matrix(TRUE, PREDICTED).tolist()


def test_confusion_matrix_writes_counts_and_names() -> None:
    axes = plots.confusion_matrix(counts(), NAMES).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES)
    assert axes.get_title() == "4 of 6 right"
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "1", (1, 0): "1", (0, 1): "1", (1, 1): "2", (2, 2): "1"}


@pytest.mark.parametrize(("classes", "labels"), [(20, 20), (60, 60), (100, 50), (1000, 59)])
def test_labels_of_many_classes_do_not_overlap(classes: int, labels: int) -> None:
    names = [f"a rather long class name {index}" for index in range(classes)]
    figure = plots.confusion_matrix(torch.eye(classes, dtype=torch.int64), names)
    plots.render(figure)
    shown = figure.axes[0].get_yticklabels()
    boxes = [label.get_window_extent() for label in shown]
    assert len(shown) == labels
    assert all(low.y0 >= high.y1 - 1 or low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


def test_per_class_accuracy_leaves_out_classes_without_samples() -> None:
    table = torch.tensor([[3, 1, 0], [0, 0, 0], [0, 0, 2]])
    axes = plots.per_class_accuracy(table, NAMES).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.75, 1.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ant", "cat"]


def test_of_very_many_classes_the_worst_are_shown() -> None:
    table = torch.diag(torch.arange(150)) + torch.ones(150, 150, dtype=torch.int64)
    axes = plots.per_class_accuracy(table, [str(index) for index in range(150)]).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert len(widths) == 100 and widths == sorted(widths)
    assert axes.get_yticklabels()[0].get_text() == "0"


def test_right_and_wrong_samples_are_told_apart() -> None:
    drawn = plots.right_and_wrong(torch.rand(4, 1, 8, 8), TRUE, PREDICTED, NAMES)
    captions = {name: [text.get_text() for text in figure.axes[0].texts] for name, figure in drawn.items()}
    assert captions == {"samples_right": ["ant", "bee", "bee"], "samples_wrong": ["bee\ntrue: ant"]}
    assert plots.right_and_wrong(None, TRUE, PREDICTED, NAMES) == {}
    assert list(plots.right_and_wrong(torch.rand(6, 3, 8, 8), TRUE, TRUE, NAMES)) == ["samples_right"]


def test_tiles_keep_their_images_apart_and_their_shape() -> None:
    wide = plots.image_grid(torch.rand(5, 3, 20, 40)).axes[0]
    boxes = [image.get_window_extent() for image in wide.images]
    assert all(box.width == pytest.approx(2 * box.height) for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(wide.bbox.x0 <= box.x0 and box.x1 <= wide.bbox.x1 and wide.bbox.y0 <= box.y0 for box in boxes)


def test_crossings_are_interpolated_between_points() -> None:
    x = torch.linspace(0, 5, 101)
    (place,) = plots.crossings(x, torch.sigmoid(3 * (x - 2.345)))
    assert place == pytest.approx(2.345, abs=1e-3)
    assert plots.crossings(torch.tensor([0.0, 1, 2]), torch.tensor([0.0, 1, 0])) == [0.5, 1.5]
    assert plots.crossings(x, torch.zeros(101)) == []


def test_the_probability_curve_marks_where_it_crosses_one_half() -> None:
    x = torch.linspace(0, 4, 50)
    points = torch.tensor([1.0, 2.0, 3.0])
    figure = plots.probability_curve(x, torch.sigmoid(x - 2.5), points, torch.tensor([0, 0, 1]), ("no", "yes"))
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["probability of yes", "sample", "0.5 at x = 2.5"]


def test_the_scatter_states_the_root_mean_squared_error() -> None:
    figure = plots.regression_scatter(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 6.0]))
    assert figure.axes[0].get_title() == "2 samples, RMSE 3.536"


def test_render_gives_pixels_of_the_figures_size() -> None:
    figure = plots.fitted_line(*(torch.tensor([0.0, 1.0]) for _ in range(4)))
    pixels = plots.render(figure)
    assert pixels.shape == (400, 600, 3) and pixels.dtype == np.uint8
    assert pixels.min() < 100 and pixels.max() == 255


def test_an_image_grid_shows_every_image_up_to_sixteen() -> None:
    assert len(plots.image_grid(torch.rand(5, 3, 4, 4)).axes[0].images) == 5
    assert len(plots.image_grid(torch.rand(40, 1, 4, 4)).axes[0].images) == 16


@pytest.mark.parametrize("name", ["an ordinary name that is too long 12", "x" * 40 + "12"])
def test_long_names_keep_their_end(name: str) -> None:
    assert len(plots.shorten(name)) == plots.LONGEST_NAME and plots.shorten(name).endswith("12")
    assert plots.shorten("short") == "short"


def test_pyplot_is_never_imported() -> None:
    code = "import sys, runner.tasks.figures.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_boxes_of_a_batch_are_drawn_in_the_colours_of_their_classes():
    boxes = torch.tensor([[[1.0, 2, 3, 12, 9], [-1, 0, 0, 0, 0]], [[-1, 0, 0, 0, 0]] * 2])
    drawn = overlays.boxed(torch.full((2, 1, 16, 16), 0.5), boxes)
    shade = torch.tensor(overlays.colour(1), dtype=torch.float32)
    for y, x in ((3, 5), (6, 2), (9, 5), (6, 12)):
        torch.testing.assert_close(drawn[0, :, y, x], shade, rtol=0, atol=0.01)
    assert (drawn[1] - 0.5).abs().max() < 0.01 > (drawn[0, :, 5:8, 5:8] - 0.5).abs().max()
