"""Batches: complete, ordered by (seed, epoch) alone, shared among ranks, and resumed in mid-epoch exactly."""

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from runner.data.batches import BatchLoader


def loader(count: int, **options) -> BatchLoader:
    """Inputs are the row numbers, so a batch tells which rows it holds."""
    rows = torch.arange(count)
    return BatchLoader(rows, rows.float(), rows, **{"batch_size": 4, **options})


def rows_of(batches) -> list[list[int]]:
    return [inputs.tolist() for inputs, _ in batches]


def test_unshuffled_batches_are_the_rows_in_order():
    assert rows_of(loader(10)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_targets_stay_with_their_inputs():
    for inputs, targets in loader(10, shuffle=True, seed=3):
        assert torch.equal(inputs.float(), targets)


def test_only_the_named_rows_are_served():
    rows = torch.arange(10)
    assert rows_of(BatchLoader(rows, rows, torch.tensor([7, 2, 5]), batch_size=2)) == [[7, 2], [5]]


def test_order_is_a_function_of_seed_and_epoch_only():
    first, second = loader(50, shuffle=True, seed=1), loader(50, shuffle=True, seed=1)
    epochs = []
    for epoch in (0, 1, 2):
        first.sampler.set_epoch(epoch)
        epochs.append(rows_of(first))
    second.sampler.set_epoch(2)
    assert rows_of(second) == epochs[2]
    assert epochs[0] != epochs[1] != epochs[2]
    assert rows_of(loader(50, shuffle=True, seed=2)) != epochs[0]


@given(count=st.integers(1, 60), size=st.integers(1, 20), world=st.integers(1, 5), shuffle=st.booleans())
@settings(max_examples=80)
def test_ranks_hold_equally_many_batches_and_together_every_row(count, size, world, shuffle):
    ranks = [loader(count, batch_size=size, shuffle=shuffle, rank=r, world_size=world) for r in range(world)]
    batches = [rows_of(rank) for rank in ranks]
    assert {len(b) for b in batches} == {len(ranks[0])}
    assert len({tuple(map(len, b)) for b in batches}) == 1
    seen = [row for rank in batches for batch in rank for row in batch]
    lone = shuffle and size > 1 and -(-count // world) % size == 1 and -(-count // world) > 1
    missing = world if lone else 0
    assert len(set(seen)) >= count - missing
    assert len(seen) == -(-count // world) * world - missing


def test_shuffled_loader_leaves_out_a_last_batch_of_one():
    shuffled = loader(9, shuffle=True)
    assert [len(batch) for batch in rows_of(shuffled)] == [4, 4]
    assert len(shuffled) == 2
    assert [len(batch) for batch in rows_of(loader(9))] == [4, 4, 1]
    assert rows_of(loader(1, shuffle=True)) == [[0]]


def test_workers_give_the_same_batches_in_the_same_order():
    assert rows_of(loader(22, shuffle=True, num_workers=2)) == rows_of(loader(22, shuffle=True))


@given(count=st.integers(2, 40), taken=st.integers(0, 12), epoch=st.integers(0, 3))
@settings(max_examples=60)
def test_state_continues_behind_the_last_batch(count, taken, epoch):
    original = loader(count, shuffle=True)
    original.sampler.set_epoch(epoch)
    whole = rows_of(original)
    taken = min(taken, len(original))
    iterator = iter(original)
    head = [next(iterator)[0].tolist() for _ in range(taken)]
    resumed = loader(count, shuffle=True)
    if taken:
        resumed.load_state_dict(original.state_dict())
        assert resumed.state_dict() == original.state_dict()
    resumed.sampler.set_epoch(epoch)
    assert head + rows_of(resumed) == whole
    assert rows_of(resumed) == whole, "the epoch after the resumed one is whole again"


def test_state_of_a_finished_epoch_starts_the_next_one_whole():
    original = loader(20, shuffle=True)
    rows_of(original)
    resumed = loader(20, shuffle=True)
    resumed.load_state_dict(original.state_dict())
    resumed.sampler.set_epoch(1)
    original.sampler.set_epoch(1)
    assert rows_of(resumed) == rows_of(original)


class Witness(pl.LightningModule):
    """Notes the rows of each training batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.seen: list[tuple[int, list[int]]] = []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch[0].tolist()))
        return self.layer(batch[1][:, None]).mean()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class StopAt(pl.Callback):
    """Saves a checkpoint at one moment of the training and stops there, as a signal would."""

    def __init__(self, path, hook: str, epoch: int, batch: int | None = None) -> None:
        self.path, self.epoch, self.batch = path, epoch, batch
        setattr(self, hook, self.moment)

    def moment(self, trainer, module, *arguments) -> None:
        batch = arguments[-1] if arguments else None
        if trainer.current_epoch == self.epoch and batch == self.batch and not trainer.sanity_checking:
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt


def train(directory, *callbacks, resume=None, **options) -> list[tuple[int, list[int]]]:
    module = Witness()
    trainer = pl.Trainer(
        max_epochs=4,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=directory,
        callbacks=list(callbacks),
        num_sanity_val_steps=0,
        **options,
    )
    try:
        trainer.fit(module, loader(22, shuffle=True, seed=5), loader(6), ckpt_path=resume)
    except (KeyboardInterrupt, SystemExit):
        return module.seen
    return module.seen


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("hook", "epoch", "batch"),
    [
        ("on_train_batch_end", 0, 0),
        ("on_train_batch_end", 0, 2),
        ("on_train_batch_end", 2, 3),
        ("on_train_batch_end", 2, 5),  # the epoch's last batch
        ("on_validation_end", 1, None),
        ("on_train_epoch_end", 1, None),
    ],
)
def test_resumed_training_sees_exactly_the_remaining_batches(tmp_path, hook, epoch, batch):
    whole = train(tmp_path)
    assert len(whole) == 24
    path = tmp_path / "stopped.ckpt"
    before = train(tmp_path, StopAt(path, hook, epoch, batch))
    assert 0 < len(before) < len(whole)
    assert before + train(tmp_path, resume=path) == whole


@pytest.mark.filterwarnings("ignore")
def test_resumed_training_with_a_batch_limit_sees_the_remaining_batches(tmp_path):
    whole = train(tmp_path, limit_train_batches=3)
    path = tmp_path / "stopped.ckpt"
    before = train(tmp_path, StopAt(path, "on_train_epoch_end", 1), limit_train_batches=3)
    assert before + train(tmp_path, resume=path, limit_train_batches=3) == whole
