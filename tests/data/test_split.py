"""Splits: disjoint, complete, reproducible, and in the classes' proportions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.data.split import fold, set_aside, size_of
from runner.errors import RunnerError

sizes = st.lists(st.integers(4, 30), min_size=2, max_size=5)


def labels_of(class_sizes: list[int]) -> torch.Tensor:
    return torch.cat([torch.full((size,), number) for number, size in enumerate(class_sizes)])


@given(total=st.integers(2, 200), fraction=st.floats(0, 0.9), seed=st.integers(0, 1000))
@settings(max_examples=60)
def test_parts_are_disjoint_and_cover_everything(total, fraction, seed):
    count = min(size_of(fraction, total), total - 1)
    indices = torch.arange(total) * 3
    rest, part = set_aside(indices, count, seed=seed)
    assert len(part) == count
    assert torch.equal(torch.cat([rest, part]).sort().values, indices)
    assert torch.equal(rest, rest.sort().values) and torch.equal(part, part.sort().values)


@given(class_sizes=sizes, seed=st.integers(0, 1000))
@settings(max_examples=60)
def test_stratified_parts_keep_proportions_to_within_one_sample(class_sizes, seed):
    labels = labels_of(class_sizes)
    total = len(labels)
    count = max(total // 4, len(class_sizes))
    _, part = set_aside(torch.arange(total), count, seed=seed, labels=labels)
    found = labels[part].bincount(minlength=len(class_sizes))
    expected = torch.tensor(class_sizes) * count / total
    assert ((found - expected).abs() < 1 + 1e-6).all()


def test_same_seed_same_split_other_seed_other_split():
    indices = torch.arange(100)
    assert torch.equal(set_aside(indices, 20, seed=1)[1], set_aside(indices, 20, seed=1)[1])
    assert not torch.equal(set_aside(indices, 20, seed=1)[1], set_aside(indices, 20, seed=2)[1])


@given(total=st.integers(5, 80), folds=st.integers(2, 5), seed=st.integers(0, 100))
@settings(max_examples=40)
def test_validation_folds_are_disjoint_and_cover_everything(total, folds, seed):
    indices = torch.arange(total) + 7
    parts = [fold(indices, i, folds, seed=seed) for i in range(folds)]
    assert torch.equal(torch.cat([val for _, val in parts]).sort().values, indices)
    for training, validation in parts:
        assert torch.equal(torch.cat([training, validation]).sort().values, indices)
    assert max(len(v) for _, v in parts) - min(len(v) for _, v in parts) <= 1


@given(class_sizes=sizes)
@settings(max_examples=40)
def test_stratified_folds_hold_their_share_of_each_class(class_sizes):
    labels = labels_of(class_sizes)
    for index in range(4):
        _, validation = fold(torch.arange(len(labels)), index, 4, seed=0, labels=labels)
        found = labels[validation].bincount(minlength=len(class_sizes))
        assert all(size // 4 <= n <= -(-size // 4) for n, size in zip(found.tolist(), class_sizes, strict=True))


@pytest.mark.parametrize(("fraction", "total", "size"), [(0, 9, 0), (0.1, 3, 1), (0.25, 10, 3), (0.2, 442, 88)])
def test_a_fraction_is_rounded_to_the_nearest_and_never_to_nothing(fraction, total, size):
    assert size_of(fraction, total) == size


@pytest.mark.parametrize("fraction", [-0.1, 1, 1.5])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(RunnerError, match="at least 0 and below 1"):
        size_of(fraction, 10)


def test_a_split_that_leaves_nothing_for_training_is_refused():
    with pytest.raises(RunnerError, match="leaves none of 3 for training"):
        set_aside(torch.arange(3), 3, seed=0)


def test_a_class_with_one_sample_is_named():
    with pytest.raises(RunnerError, match=r"at least 2 samples.*: 2 \(1\)\."):
        set_aside(torch.arange(9), 3, seed=0, labels=torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2]))


def test_a_split_is_never_too_small_for_all_classes():
    labels = torch.arange(9) % 3
    rest, part = set_aside(torch.arange(9), 1, seed=0, labels=labels)
    assert labels[part].sort().values.tolist() == [0, 1, 2] and len(rest) == 6


def test_a_split_that_leaves_too_few_for_all_classes_is_refused():
    with pytest.raises(RunnerError, match="leaves too few for 3 classes"):
        set_aside(torch.arange(9), 7, seed=0, labels=torch.arange(9) % 3)


@pytest.mark.parametrize(("index", "folds", "message"), [(0, 1, "2 to 6 folds"), (0, 7, "not 7"), (3, 3, "Fold 3")])
def test_impossible_folds_are_refused(index, folds, message):
    with pytest.raises(RunnerError, match=message):
        fold(torch.arange(6), index, folds, seed=0)


def test_folds_with_a_too_small_class_are_refused():
    with pytest.raises(RunnerError, match=r"in each of 3 folds.*: 1 \(2\)"):
        fold(torch.arange(6), 0, 3, seed=0, labels=torch.tensor([0, 0, 0, 0, 1, 1]))
