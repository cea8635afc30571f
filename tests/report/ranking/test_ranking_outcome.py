"""What a run ended with: named by what its network has been through, and never mistaken for what it was before."""

import pytest

from runner.report.ranking.outcome import bases, ended_with, name_on_test, phase_of, quantity, validation_name

MONITOR = "val/accuracy"


@pytest.mark.parametrize(
    ("names", "phase"),
    [
        (["val/accuracy", "test/accuracy"], ""),
        (["pruned/val/accuracy"], "pruned"),
        (["compressed/share", "pruned/accuracy", "factorized/layers"], "compressed"),
        (["pruned/accuracy", "factorized/layers"], "factorized"),
        (["pruning/sparsity", "baseline/val/accuracy"], ""),
    ],
)
def test_the_phase_is_the_last_one_that_left_a_metric(names, phase):
    assert phase_of(dict.fromkeys(names, 1.0)) == phase


@pytest.mark.parametrize(
    ("names", "validation", "test"),
    [
        (["val/accuracy", "test/accuracy"], "val/accuracy", "test/accuracy"),
        (["cross_validation/val/accuracy/mean"], "cross_validation/val/accuracy/mean", None),
        (["val/accuracy", "compressed/val/accuracy", "test/accuracy"], "compressed/val/accuracy", None),
        (["val/accuracy", "compressed/share", "compressed/accuracy"], None, "compressed/accuracy"),
        (["compressed/train/accuracy"], "compressed/train/accuracy", None),
        (["pruned/val/accuracy", "compressed/val/accuracy"], "compressed/val/accuracy", None),
        (["train/accuracy"], None, None),
    ],
)
def test_a_run_is_chosen_by_the_validation_metric_of_its_last_network(names, validation, test):
    metrics = dict.fromkeys(names, 1.0)
    assert (validation_name(metrics, MONITOR), name_on_test(metrics, MONITOR)) == (validation, test)


def test_what_was_measured_of_an_earlier_network_is_no_part_of_what_a_run_ended_with():
    metrics = {"test/accuracy": 0.9, "val/accuracy": 0.91, "compressed/share": 0.5, "compressed/val/accuracy": 0.8}
    assert ended_with(metrics, {"accuracy", "loss"}) == {"val/accuracy": 0.8}
    assert ended_with(metrics | {"compressed/accuracy": 0.7}, {"accuracy"}) == {"accuracy": 0.7, "val/accuracy": 0.8}
    plain = {"test/accuracy": 0.9, "cross_validation/val/accuracy/mean": 0.8}
    assert ended_with(plain, {"accuracy"}) == {"accuracy": 0.9, "val/accuracy": 0.8}


def test_what_is_measured_is_found_under_every_name_that_a_run_can_have_it_under():
    names = ["test/a", "val/b", "compressed/val/c", "cross_validation/val/d/mean", "test/recall/cat", "train/no"]
    assert bases([dict.fromkeys(names, 1.0), {"compressed/kernels/no": 1.0}]) == {
        *("loss", "a", "b", "c", "d", "recall/cat"),
    }


@pytest.mark.parametrize("name", ["f1", "val/f1", "final/val/f1", "cross_validation/val/f1/mean"])
def test_a_quantity_is_the_same_whatever_it_is_measured_on(name):
    assert quantity(name) == "f1"
