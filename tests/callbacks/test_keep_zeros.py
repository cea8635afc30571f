"""KeepZeros: pruned weights stay zero through Lightning's training, resumed or not, and under averaging."""

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from runner.callbacks.averaging import WeightAverage
from runner.callbacks.keep_zeros import KeepZeros


class Fitting(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Linear(6, 4)
        with torch.no_grad():
            self.network.weight[:, ::2] = 0

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.1)


def train(task: Fitting, epochs: int, folder, resume=None, extra=()) -> pl.Trainer:
    generator = torch.Generator().manual_seed(1)
    data = TensorDataset(torch.randn(24, 6, generator=generator), torch.randn(24, 4, generator=generator))
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[KeepZeros(), *extra],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(task, DataLoader(data, batch_size=8), ckpt_path=resume, weights_only=True)
    return trainer


def test_zeros_stay_and_the_rest_moves(tmp_path):
    task, start = Fitting(), Fitting().network.weight
    train(task, 2, tmp_path)
    assert not task.network.weight[:, ::2].any()
    assert (task.network.weight[:, 1::2] != start[:, 1::2]).all()


def test_a_resumed_training_finds_the_zeros_in_its_checkpoint(tmp_path):
    whole, half, rest = Fitting(), Fitting(), Fitting()
    train(whole, 2, tmp_path)
    train(half, 1, tmp_path).save_checkpoint(tmp_path / "half.ckpt", weights_only=False)
    with torch.no_grad():
        rest.network.weight.fill_(1)
    train(rest, 2, tmp_path, resume=tmp_path / "half.ckpt")
    assert not rest.network.weight[:, ::2].any()
    assert torch.equal(rest.network.weight, whole.network.weight)


def test_averaged_weights_have_the_zeros_too(tmp_path):
    task = Fitting()
    train(task, 2, tmp_path, extra=[WeightAverage(0.5)])
    assert not task.network.weight[:, ::2].any()
