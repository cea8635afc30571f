"""RankAllocation: AdaLoRA's schedule, which takes ranks from the layers that need them least while training goes on."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from runner.compression.finetuning.settings import RankSchedule


class RankAllocation(Callback):
    """Adaptive ranks (Zhang et al. 2023): importance of each singular value, a falling budget, orthogonal factors.

    The importance is peft's, averaged over steps; its averages are in each checkpoint. Factors are pulled towards
    orthogonality by a gradient of their own, so that the loss stays that of the data. Logs `finetune/rank`, the mean
    over the layers.

    Args:
        network: with fresh adapters of `adalora`.
    """

    def __init__(self, network: nn.Module, schedule: RankSchedule) -> None:
        self.network, self.schedule = network, schedule
        self.allocator: Any = None
        self.pattern: dict[str, list[bool]] = {}
        self.averages: dict[str, dict[str, Tensor]] | None = None
        self.seen = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Settle the schedule: only now is it known how many steps there will be."""
        from peft import AdaLoraConfig
        from peft.tuners.adalora.layer import RankAllocator

        own, total = self.schedule, max(1, int(trainer.estimated_stepping_batches))
        config = AdaLoraConfig(
            target_r=own.final_rank,
            tinit=int(own.before * total),
            tfinal=int(own.after * total),
            deltaT=own.every,
            total_step=total,
        )
        allocator: Any = RankAllocator
        self.allocator, self.seen = allocator(self.network, config, "default"), trainer.global_step
        if self.averages is not None:
            vars(self.allocator).update(self.averages)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Add the gradient of the distance from orthogonal factors."""
        if self.schedule.orthogonality:
            (self.schedule.orthogonality * distance_from_orthogonal(self.network)).backward()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Allocate after each step of the optimizer, while its gradients are still there."""
        step, config = trainer.global_step, self.allocator.peft_config
        if step == self.seen:  # gradients of further batches are waited for
            return
        self.seen, settled = step, config.total_step - config.tfinal
        if step <= settled:
            self.pattern = self.allocator.update_and_allocate(self.network, step, step == settled)[1] or self.pattern
        elif self.pattern:
            self.allocator.mask_using_rank_pattern(self.network, self.pattern)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        ranks = [int(each.count_nonzero()) for name, each in self.network.named_parameters() if ".lora_E." in name]
        pl_module.log("finetune/rank", sum(ranks) / len(ranks), on_step=False, on_epoch=True, batch_size=1)

    def state_dict(self) -> dict[str, Any]:
        """Return what an exact continuation needs."""
        own = vars(self.allocator) if self.allocator is not None else {}
        kept = ("exp_avg_ipt", "exp_avg_unc", "ipt")
        return {"pattern": self.pattern, "averages": {name: dict(own.get(name, {})) for name in kept}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.pattern, self.averages = state_dict["pattern"], state_dict["averages"]


def distance_from_orthogonal(network: nn.Module) -> Tensor:
    """Return the mean distance of the adapters' factors from orthogonal ones, 0-d (Zhang et al. 2023, equation 4)."""
    found = []
    for name, factor in network.named_parameters():
        if ".lora_A." in name or ".lora_B." in name:
            product = factor @ factor.T if ".lora_A." in name else factor.T @ factor
            found.append(torch.linalg.matrix_norm(product - torch.eye(len(product), device=product.device)))
    return torch.stack(found).mean()
