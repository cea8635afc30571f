"""Figures of embeddings say of pairs what they are, and mark right and wrong."""

import torch
from matplotlib.colors import to_hex

from runner.tasks.embedding.measures import of_each_pair
from runner.tasks.figures import embeddings
from runner.tasks.figures.plots import GREEN, RED

# Classes 0 at 0 and 0.1, 1 at 1 and 1.5: of one class 0.1 and 0.5 apart, of two 0.9 to 1.5.
POINTS, LABELS = torch.tensor([[0.0], [0.1], [1.0], [1.5]]), torch.tensor([0, 0, 1, 1])
FOUND = torch.cdist(POINTS, POINTS)
PAIRS = of_each_pair(FOUND), of_each_pair(LABELS[:, None] == LABELS)


def test_the_roc_names_its_area_and_what_the_threshold_accepts() -> None:
    (axes,) = embeddings.roc(*PAIRS, threshold=0.3).axes
    texts = [each.get_text() for each in axes.get_legend().get_texts()]
    assert texts == ["chance", "AUC 1.0000, equal error rate 0.0%", "below 0.3: 50.0% true, 0.0% false"]


def test_distances_of_both_kinds_are_drawn_with_the_threshold() -> None:
    (axes,) = embeddings.distance_histogram(*PAIRS, threshold=0.3).axes
    assert axes.lines[0].get_xdata() == [0.3, 0.3]
    texts = {each.get_text() for each in axes.get_legend().get_texts()}
    assert texts == {"of one class", "of two classes", "threshold 0.3"}


def test_pairs_are_shown_hardest_first_and_coloured_by_the_verdict() -> None:
    (axes,) = embeddings.judged_pairs(torch.rand(4, 1, 3, 3), FOUND, LABELS, threshold=0.95).axes
    told = [(each.get_text(), to_hex(each.get_color())) for each in axes.texts]
    assert told[:2] == [("one class: 0.500", GREEN), ("one class: 0.100", GREEN)]
    assert ("two classes: 0.900", RED) in told
    assert len(axes.images) == 2 * len(told)
