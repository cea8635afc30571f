"""Data modules: the datasets that ship, their splits, transforms and state, and the batches training sees."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import nn

from runner.data.images.augmentation import Augmentation
from runner.data.images.digits import Digits, enlarge
from runner.data.tables.diabetes import Diabetes
from runner.data.tables.synthetic import Hours, Line
from runner.errors import RunnerError

MEAN, STD = 0.3117, 0.3561


def digits(**options) -> Digits:
    data = Digits(**{"channels": 1, "num_classes": 10, "mean": [MEAN], "std": [STD], **options})
    data.setup()
    return data


def diabetes(**options) -> Diabetes:
    data = Diabetes(**options)
    data.setup()
    return data


def rows(data, split: str) -> set[int]:
    return set(data.splits[split].indices.tolist())


def test_digits_are_all_there_in_stratified_splits():
    data = digits()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 1258, "val": 180, "test": 359}
    assert rows(data, "train") | rows(data, "val") | rows(data, "test") == set(range(1797))
    assert data.class_names == tuple("0123456789")
    for split in data.splits.values():
        share = split.targets.bincount(minlength=10) / len(split)
        expected = torch.from_numpy(load_digits().target).bincount() / 1797
        assert (share - expected).abs().max() <= 1 / len(split) + 1e-6


def test_digits_are_normalised_by_their_own_statistics():
    data = digits()
    inputs = data.transform(data.splits["train"].inputs)
    assert inputs.shape == (1258, 1, 28, 28) and inputs.dtype == torch.float32
    assert abs(inputs.mean()) < 1e-3 and abs(inputs.std() - 1) < 1e-3


def test_enlarging_keeps_range_and_brightness():
    small = torch.from_numpy(load_digits().images[:50]).float().unsqueeze(1)
    large = enlarge(small, 28)
    assert large.shape == (50, 1, 28, 28) and large.dtype == torch.uint8
    assert enlarge(torch.full((1, 1, 8, 8), 16.0), 28).unique().tolist() == [255]
    assert abs(large.float().mean() / 255 - small.mean() / 16) < 0.02


def test_the_transform_is_the_stated_formula_and_display_undoes_it():
    data = digits()
    raw = data.splits["test"].inputs[:5]
    torch.testing.assert_close(data.transform(raw), (raw.float() / 255 - MEAN) / STD)
    torch.testing.assert_close(data.scale().undo(data.transform(raw)), raw.float() / 255, rtol=0, atol=1e-6)


def test_split_depends_on_the_split_seed_alone():
    assert rows(digits(shuffle_seed=5), "val") == rows(digits(), "val")
    assert rows(digits(split_seed=1), "test") != rows(digits(), "test")


def test_another_validation_fraction_leaves_the_test_split_alone():
    assert rows(digits(validation_fraction=0.25), "test") == rows(digits(), "test")


def test_a_second_setup_changes_nothing():
    data = digits()
    data.use_fold(1, 5)
    before = rows(data, "val")
    data.setup("test")
    assert rows(data, "val") == before


def test_folds_never_touch_the_test_split():
    data = digits()
    pool, test = rows(data, "train") | rows(data, "val"), rows(data, "test")
    held_out = []
    for index in range(5):
        data.use_fold(index, 5)
        assert rows(data, "train") | rows(data, "val") == pool and rows(data, "test") == test
        held_out.append(rows(data, "val"))
    assert set.union(*held_out) == pool and sum(map(len, held_out)) == len(pool)
    data.use_all_for_training()
    assert rows(data, "train") == pool and data.val_dataloader() == [] and rows(data, "test") == test


def test_folds_before_setup_are_refused():
    with pytest.raises(RunnerError, match="must be set up"):
        Line().use_fold(0, 3)


def test_folds_of_tabular_data_are_standardized_each_by_its_own_training_part():
    data = diabetes()
    for index in range(3):
        data.use_fold(index, 3)
        trained = data.transform(data.splits["train"].inputs)
        torch.testing.assert_close(trained.mean(0), torch.zeros(10), rtol=0, atol=1e-5)
        torch.testing.assert_close(trained.std(0, unbiased=False), torch.ones(10), rtol=0, atol=1e-5)


def test_diabetes_has_its_rows_and_its_targets_in_original_units():
    data = diabetes()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 310, "val": 44, "test": 88}
    bunch = load_diabetes(scaled=False)
    test = data.splits["test"]
    assert torch.equal(test.targets[:, 0], torch.from_numpy(bunch.target).float()[test.indices])
    assert torch.equal(test.inputs, torch.from_numpy(bunch.data).float()[test.indices])
    assert data.class_names is None


def test_standardize_false_leaves_inputs_as_they_are():
    data = diabetes(standardize=False)
    assert torch.equal(data.example(4), data.splits["test"].spread(4).inputs)


def test_diabetes_reads_its_columns_from_a_table(tmp_path):
    (tmp_path / "new.csv").write_text("s6,age,sex,bmi,bp,s1,s2,s3,s4,s5\n" + ",".join(map(str, range(10))) + "\n")
    assert Diabetes().read([tmp_path / "new.csv"]).tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]]


def test_line_is_the_same_three_points_in_every_split(tmp_path):
    data = Line()
    data.setup()
    for split in ("train", "val", "test"):
        assert data.splits[split].inputs.tolist() == [[1], [2], [3]]
        assert data.splits[split].targets.tolist() == [[2], [4], [6]]
    assert len(data.train_dataloader()) == 1
    assert data.example(3).tolist() == [[1], [2], [3]]
    (tmp_path / "x.csv").write_text("x\n4\n")
    assert data.read([tmp_path / "x.csv"]).tolist() == [[4]]


def test_hours_suits_both_kinds_of_classification():
    binary, classes = Hours(), Hours(target_kind="classification")
    binary.setup()
    classes.setup()
    assert (
        binary.splits["train"].targets.dtype == torch.float32 and classes.splits["train"].targets.dtype == torch.int64
    )
    assert binary.splits["train"].targets.tolist() == classes.splits["train"].targets.tolist() == [0, 0, 1]
    with pytest.raises(RunnerError, match="don't suit task=regression"):
        Hours(target_kind="regression").setup()


@pytest.mark.parametrize("build", [digits, diabetes])
def test_state_is_plain_and_lets_a_module_without_data_transform_alike(build):
    data = build()
    state = data.state_dict()
    assert all(isinstance(v, (list, type(None))) for v in state.values())
    other = Digits(channels=1, num_classes=10, mean=[0], std=[1]) if build is digits else Diabetes()
    other.load_state_dict(state)
    raw = data.splits["test"].inputs[:3]
    assert torch.equal(other.transform(raw), data.transform(raw)) and other.class_names == data.class_names


def test_augmentation_acts_on_training_batches_only():
    data = digits(augmentation=Augmentation(shift=2, rotate=10))
    batch = (data.splits["train"].inputs[:8], data.splits["train"].targets[:8])
    torch.manual_seed(0)
    augmented, targets = data.training_batch(batch)
    assert not torch.equal(augmented, data.transform(batch[0])) and torch.equal(targets, batch[1])
    torch.manual_seed(0)
    assert torch.equal(data.training_batch(batch)[0], augmented)


def test_one_batch_is_kept_of_all_classes_and_not_augmented():
    data = digits(augmentation=Augmentation(shift=2), batch_size=40)
    data.keep_one_batch()
    assert len(data.train_dataloader()) == 1 and len(data.splits["train"].targets.unique()) > 5
    inputs, targets = data.training_example()
    assert torch.equal(inputs, data.training_batch((data.splits["train"].inputs, targets))[0])
    assert torch.equal(targets, data.splits["train"].targets)


def test_spread_takes_evenly_spaced_samples():
    data = diabetes()
    split = data.splits["test"]
    assert split.spread(4).indices.tolist() == split.indices[[0, 22, 44, 66]].tolist()
    assert len(split.spread(1000)) == 88 and len(split.spread(0)) == 0


def test_each_rank_serves_its_own_share_of_the_training_split():
    shares = []
    for rank in (0, 1):
        data = digits(batch_size=629)
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2, overfit_batches=0)
        (batch,) = data.train_dataloader()
        shares.append(batch[0])
    together = torch.cat(shares).flatten(1).unique(dim=0)
    assert torch.equal(together, digits().splits["train"].inputs.flatten(1).unique(dim=0))


class Recorder(pl.LightningModule):
    """Notes what Lightning hands over in each stage."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 10)
        self.batches: dict[str, list[torch.Tensor]] = {"train": [], "val": [], "test": []}

    def training_step(self, batch, batch_idx):
        self.batches["train"].append(batch[0])
        return nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1])

    def validation_step(self, batch, batch_idx):
        self.batches["val"].append(batch[0])

    def test_step(self, batch, batch_idx):
        self.batches["test"].append(batch[0])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.filterwarnings("ignore")
def test_lightning_hands_over_transformed_batches_augmented_in_training_alone(tmp_path):
    data = digits(augmentation=Augmentation(erase=1.0), batch_size=256)
    module = Recorder()
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, datamodule=data)
    trainer.test(module, datamodule=data, verbose=False)
    for split in ("val", "test"):
        seen = torch.cat(module.batches[split])[-len(data.splits[split]) :]
        assert torch.equal(seen, data.transform(data.splits[split].inputs))
    trained = torch.cat(module.batches["train"])
    assert len(trained) == 1258
    assert trained.mean() < data.transform(data.splits["train"].inputs).mean() - 0.02, "rectangles are blackened"
