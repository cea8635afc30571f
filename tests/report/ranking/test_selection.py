"""The words that say by what runs are ranked, and what decides between equal ones."""

import pytest

from runner.report.ranking.selection import has_interval, is_test, tie_breakers, words
from runner.report.ranking.wilson import wilson

FITTED = {"stages": ["fit", "test"], "callbacks.checkpoint.monitor": "val/accuracy"}
UNKEPT = {"stages": ["fit", "test"], "callbacks.early_stopping.patience": 3}


@pytest.mark.parametrize(
    ("name", "settings", "asked", "expected"),
    [
        ("val/accuracy", [FITTED], False, "val/accuracy, the best checkpoint's; the highest first"),
        ("val/accuracy", [FITTED], True, "val/accuracy, the best checkpoint's; the highest first"),
        ("val/accuracy", [UNKEPT], False, "val/accuracy, the last epoch's; the highest first"),
        ("val/accuracy", [UNKEPT, FITTED], False, "val/accuracy, the best checkpoint's or the last epoch's; the hi"),
        ("val/accuracy", [{"stages": ["test"]}], False, "val/accuracy, of the weights that the runs were given; the"),
        ("cross_validation/val/f1/mean", [{"cross_validation.folds": 5}], False, "mean, the mean over 5 folds; the"),
        ("final/val/accuracy", [FITTED], False, "on validation data, of the network that each run ended with; the"),
        (
            "final/val/accuracy",
            [{"cross_validation.folds": 5}],
            False,
            "ended with; with folds, the mean over them",
        ),
        ("test/accuracy", [FITTED], False, "test/accuracy, on test data, as no run measured validation data; the hig"),
        ("test/accuracy", [FITTED], True, "test/accuracy, on test data, as asked; the highest first"),
        ("final/accuracy", [FITTED], True, "final/accuracy, on test data, as asked; the highest first"),
        ("train/accuracy", [FITTED], False, "on training data, as no run measured validation data; the highest first"),
        ("compressed/val/accuracy", [FITTED], True, "compressed/val/accuracy, on validation data; the highest first"),
        ("parameters", [FITTED], True, "parameters; the highest first"),
    ],
)
def test_what_runs_are_ranked_by_is_said_in_words(name, settings, asked, expected):
    assert expected in words(name, "max", settings, asked=asked)


def test_a_tie_is_broken_by_loss_and_costs_and_never_by_the_test_or_the_clock():
    known = ["test/loss", "test/accuracy", "seconds/total", "parameters", "val/loss", "val/f1", "bytes/int8_program"]
    latency = "benchmark/int8/latency_ms/batch_1"
    assert tie_breakers("val/accuracy", [*known, latency]) == ["val/loss", latency, "bytes/int8_program", "parameters"]
    assert tie_breakers("val/loss", known) == ["bytes/int8_program", "parameters"]


@pytest.mark.parametrize(
    ("name", "test", "interval"),
    [
        ("test/accuracy", True, True),
        ("test/top5_accuracy", True, True),
        ("final/accuracy", True, True),
        ("pruned/accuracy", False, True),
        ("test/balanced_accuracy", True, False),
        ("test/f1", True, False),
        ("test/auroc", True, False),
        ("test/rmse", True, False),
        ("val/accuracy", False, False),
        ("final/val/accuracy", False, False),
        ("pruned/val/accuracy", False, False),
        ("cross_validation/val/accuracy/mean", False, False),
    ],
)
def test_only_shares_of_test_samples_have_an_interval_of_their_own(name, test, interval):
    assert (is_test(name), has_interval(name)) == (test, interval)


@pytest.mark.parametrize(
    ("share", "count", "ends"),
    [(0.9, 100, (0.82563, 0.94478)), (0.5, 10, (0.23659, 0.76341)), (1.0, 359, (0.98941, 1.0)), (0, 1, (0.0, 0.79345))],
)
def test_wilsons_interval(share, count, ends):
    """Reference: statsmodels.stats.proportion.proportion_confint(method="wilson"), and n / (n + z²) for all right."""
    assert wilson(share, count) == pytest.approx(ends, abs=1e-5)
