"""Balanced drawing: every class equally often in an epoch, in an order that (seed, epoch) decides, resumed exactly."""

import pytest
import torch
from torch import Tensor

from runner.config.compose import compose
from runner.data.batches import BalancedOrder, BatchLoader
from runner.data.sequences.buckets import BucketLoader
from runner.data.sequences.hello import Hello
from runner.data.tables.diabetes import Diabetes
from runner.data.tables.table import CsvTable
from runner.errors import RunnerError
from runner.tracking.identity import identity

LABELS = torch.tensor([0] * 50 + [1] * 7 + [3] * 3)


def loader(**options) -> BatchLoader:
    rows = torch.arange(len(LABELS))
    return BatchLoader(rows, LABELS, rows, **{"batch_size": 8, "shuffle": True, "labels": LABELS, "seed": 5, **options})


def order(epoch: int, seed: int = 5) -> Tensor:
    drawn = BalancedOrder(LABELS, seed)
    drawn.set_epoch(epoch)
    return drawn.permutation()


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_every_class_is_drawn_equally_often(epoch):
    drawn = order(epoch)
    assert len(drawn) == 60
    assert torch.bincount(LABELS[drawn]).tolist() == [20, 20, 0, 20]
    assert drawn[LABELS[drawn] == 3].bincount()[57:].tolist() in ([6, 7, 7], [7, 6, 7], [7, 7, 6])
    assert drawn[LABELS[drawn] == 0].bincount().max() <= 2  # twice only where one turn ends and the next begins


def test_shares_that_do_not_divide_differ_by_one_and_take_turns():
    labels = torch.tensor([0] * 5 + [1] * 3)
    drawn = [BalancedOrder(labels[:7], 0) for _ in range(2)]
    drawn[1].set_epoch(1)
    assert [labels[:7][each.permutation()].bincount().tolist() for each in drawn] == [[4, 3], [3, 4]]


def test_epochs_take_turns_so_that_no_sample_is_left_out():
    seen = torch.cat([order(epoch) for epoch in range(3)])
    assert seen.unique().tolist() == list(range(60))
    assert seen[LABELS[seen] == 0].bincount()[:50].max() == 2


def test_the_order_is_a_function_of_seed_and_epoch():
    assert torch.equal(order(2), order(2))
    assert not torch.equal(order(2), order(3))
    assert not torch.equal(order(2), order(2, seed=6))


def test_an_epoch_that_was_interrupted_goes_on_with_the_batches_it_lacked():
    whole, first, second = loader(), loader(), loader()
    for each in (whole, first, second):
        each.sampler.set_epoch(4)
    batches = [inputs.tolist() for inputs, _ in whole]
    begun = iter(first)
    begin = [next(begun)[0].tolist() for _ in range(3)]
    second.load_state_dict(first.state_dict())
    assert begin + [inputs.tolist() for inputs, _ in second] == batches


def test_ranks_share_what_was_drawn():
    drawn = [torch.cat([targets for _, targets in loader(rank=rank, world_size=2)]) for rank in (0, 1)]
    assert torch.cat(drawn).bincount().tolist() == [20, 20, 0, 20]


def test_sequences_are_balanced_and_sorted_by_length_all_the_same():
    rows, lengths = torch.arange(60), torch.arange(60) % 9
    drawn = BucketLoader(rows, LABELS, rows, lengths=lengths, pool=8, batch_size=10, shuffle=True, labels=LABELS)
    batches = list(drawn)
    assert torch.cat([targets for _, targets in batches]).bincount().tolist() == [20, 20, 0, 20]
    assert sum(int(lengths[inputs].max() - lengths[inputs].min()) for inputs, _ in batches) < 20


def table(tmp_path, **options) -> CsvTable:
    lines = [f"{i * i},{'rare' if i % 10 == 0 else 'often'}\n" for i in range(100)]
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(lines))
    return CsvTable(root=str(tmp_path / "t.csv"), target="y", sampling="balanced", **options)


@pytest.mark.parametrize("kind", ["classification", "binary_classification"])
def test_the_training_split_of_a_table_is_drawn_so_and_no_other(tmp_path, kind):
    data = table(tmp_path, target_kind=kind)
    data.setup()
    assert torch.cat([targets for _, targets in data.train_dataloader()]).long().bincount().tolist() == [35, 35]
    assert torch.cat([targets for _, targets in data.test_dataloader()]).long().bincount().tolist() == [18, 2]


def test_numbers_have_no_classes_to_balance():
    data = Diabetes(sampling="balanced")
    with pytest.raises(RunnerError, match=r"data.sampling=balanced .* these targets are no classes"):
        data.setup()


def test_labels_of_every_token_are_weighed_instead():
    with pytest.raises(RunnerError, match=r"several classes for each sample\. Use task\.class_weights=balanced\."):
        Hello(num_tokens=5, num_classes=5, sampling="balanced").setup()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.sampling=evenly"], "data.sampling=evenly: must be one of balanced"),
        (["data.sampling=balanced", "task.class_weights=balanced"], "rare classes would count twice"),
        (["data=cora", "model=gcn", "data.sampling=balanced"], "Use task.class_weights=balanced"),
        (["task.class_weights=even"], "task.class_weights=even: must be one of balanced"),
    ],
)
def test_what_can_not_be_balanced_is_told_before_anything_is_read(overrides, message):
    with pytest.raises(RunnerError, match=message):
        compose(overrides)


def test_what_is_balanced_is_kept_by_balanced_accuracy():
    assert compose([]).config.task.monitor == "val/accuracy"
    for override in ("task.class_weights=balanced", "data.sampling=balanced", "task.class_weights={3: 2}"):
        config = compose([override]).config
        assert (config.task.monitor, config.task.monitor_mode) == ("val/balanced_accuracy", "max")
    hours = compose(["data=hours", "model=logistic"]).config.task
    assert (hours.monitor, hours.monitor_mode) == ("val/loss", "min")
    hours = compose(["data=hours", "model=logistic", "task.class_weights=balanced"]).config.task
    assert (hours.monitor, hours.monitor_mode) == ("val/balanced_accuracy", "max")


def test_runs_of_before_keep_their_identity():
    plain = compose([]).plain
    older = {section: dict(plain[section]) if isinstance(plain[section], dict) else plain[section] for section in plain}
    del older["data"]["sampling"], older["task"]["class_weights"]
    assert identity(plain) == identity(older)
    assert identity(compose(["data.sampling=balanced"]).plain) != identity(plain)
