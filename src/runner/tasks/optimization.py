"""From optimizer and scheduler factories to what Lightning's `configure_optimizers` returns."""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytorch_lightning as pl
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from runner.errors import RunnerError
from runner.tasks.trainable import choose

# timm.optim.param_groups_weight_decay differs: a LayerNorm over several dimensions decays there, and the group without
# decay comes first, so that an optimizer's state in a checkpoint written here would reach other parameters.
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True)
class Optimization:
    """The optimizer and the schedule of a network, as configured.

    Attributes:
        make_optimizer: called with a list of parameter groups.
        make_scheduler: called with the optimizer, and with `total_steps` where it takes that; None for no schedule.
        interval: `step` or `epoch`: how often the scheduler moves on; `total_steps` counts these.
        monitor: the metric that a plateau scheduler follows.
        decay_bias_and_norm: whether weight decay also applies to biases and normalisation parameters.
        decay_only: patterns such as `layers.0`; weight decay then applies to all they match, and to nothing else.
    """

    make_optimizer: Callable[..., Optimizer]
    make_scheduler: Callable[..., Any] | None = None
    interval: str = "epoch"
    monitor: str | None = None
    decay_bias_and_norm: bool = False
    decay_only: tuple[str, ...] = ()

    def configure(self, network: nn.Module, trainer: pl.Trainer, also: Sequence[nn.Parameter] = ()) -> dict[str, Any]:
        """Return the optimizer and scheduler of the parameters that train, as Lightning takes them.

        `also`: parameters beside the network's.

        Raises:
            RunnerError: nothing trains, or the schedule lacks an interval, a metric or an end.
        """
        groups = self.groups(network)
        groups[0]["params"] = [*groups[0]["params"], *also]
        optimizer = self.make_optimizer(groups)
        if self.make_scheduler is None:
            return {"optimizer": optimizer}
        if self.interval not in ("step", "epoch"):
            raise RunnerError(f"scheduler.interval={self.interval}: must be step or epoch.")
        scheduler = self.schedule(optimizer, trainer)
        if isinstance(scheduler, ReduceLROnPlateau) and self.monitor is None:
            raise RunnerError("This scheduler follows a metric: name it, for example scheduler.monitor=val/loss.")
        config: dict[str, Any] = {"scheduler": scheduler, "interval": self.interval}
        if self.monitor is not None:
            # A run without validation has nothing to follow; not strict, Lightning then warns instead of stopping.
            config |= {"monitor": self.monitor, "strict": False}
            if self.interval == "epoch" and self.monitor.startswith("val/"):
                config["frequency"] = trainer.check_val_every_n_epoch or 1
        return {"optimizer": optimizer, "lr_scheduler": config}

    def groups(self, network: nn.Module) -> list[dict[str, Any]]:
        """Return parameter groups; several only where weight decay must tell them apart (LBFGS takes one alone)."""
        known = inspect.signature(self.make_optimizer).parameters
        decay = known["weight_decay"].default if "weight_decay" in known else 0.0
        if decay and self.decay_only:
            groups = named_groups(network, decay, choose(network, self.decay_only, "task.decay_only"))
        elif decay and not self.decay_bias_and_norm:
            groups = parameter_groups(network, decay)
        else:
            groups = [{"params": [parameter for parameter in network.parameters() if parameter.requires_grad]}]
        if not any(group["params"] for group in groups):
            raise RunnerError("Nothing is left to train: this network has no parameters that require a gradient.")
        return groups

    def schedule(self, optimizer: Optimizer, trainer: pl.Trainer) -> Any:
        """Return the scheduler; raises RunnerError where it must know the end of training and there is none."""
        assert self.make_scheduler is not None
        given = self.make_scheduler.keywords if isinstance(self.make_scheduler, partial) else {}
        takes_total = "total_steps" in inspect.signature(self.make_scheduler).parameters
        if not takes_total or given.get("total_steps"):
            return self.make_scheduler(optimizer)
        total = trainer.estimated_stepping_batches if self.interval == "step" else trainer.max_epochs
        if total is None or total < 1 or math.isinf(total):
            raise RunnerError("This scheduler must know when training ends: set trainer.max_epochs.")
        return self.make_scheduler(optimizer, total_steps=int(total))


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return the trainable parameters as optimizer groups: those that decay by `weight_decay`, and the rest by 0.

    Biases, the parameters of normalisation layers and every parameter of at most one dimension stay out of the
    decay (He et al. 2019, "Bag of Tricks", section 3.1); embeddings decay. A shared parameter appears once. A group
    without parameters is left out.
    """
    decayed: list[nn.Parameter] = []
    undecayed: list[nn.Parameter] = []
    seen: set[int] = set()
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            free = isinstance(owner, NORMS) or parameter.ndim <= 1 or name.startswith("bias")
            (undecayed if free else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": undecayed, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def named_groups(module: nn.Module, weight_decay: float, decayed: set[str]) -> list[dict[str, Any]]:
    """Return named groups: the parameters named in `decayed` decay by `weight_decay`, all others by 0."""
    trained = {name: each for name, each in module.named_parameters() if each.requires_grad}
    groups: list[dict[str, Any]] = [
        {"params": [each for name, each in trained.items() if name in decayed], "weight_decay": weight_decay},
        {"params": [each for name, each in trained.items() if name not in decayed], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
