"""Which parameters train, and how: from optimizer and scheduler factories to what Lightning asks for."""

import inspect
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from runner.errors import RunnerError, nearest

if TYPE_CHECKING:  # most runs train all layers at one rate
    from runner.tasks.depth import RatesByDepth

# timm.optim.param_groups_weight_decay differs: a LayerNorm over several dimensions decays there, and the group without
# decay comes first, so that an optimizer's state in a checkpoint written here would reach other parameters.
NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
WORDS = ("all", "head", "bias", "norm", "last_N")
LAST = re.compile(r"last_([1-9][0-9]*)")


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
        depth: rates by depth, the optimizer's own for the output layer; None for one rate.
    """

    make_optimizer: Callable[..., Optimizer]
    make_scheduler: Callable[..., Any] | None = None
    interval: str = "epoch"
    monitor: str | None = None
    decay_bias_and_norm: bool = False
    decay_only: tuple[str, ...] = ()
    depth: "RatesByDepth | None" = None

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
        if self.depth is not None:
            groups = self.depth.split(groups, network, head_of(network), known["lr"].default)
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


def freeze(network: nn.Module, trainable: str | Sequence[str]) -> None:
    """Leave `requires_grad` only to the chosen parameters.

    Args:
        trainable: `all` (changes nothing), `head` (the output layer), `bias` (all biases and the output layer:
            BitFit, Ben Zaken et al. 2022), `norm` (all normalisation and the output layer), `last_3` (the last three
            modules that hold parameters themselves), or patterns such as `features.4.*` that match parameter names.

    Raises:
        RunnerError: a pattern matches no parameter.
    """
    if trainable == "all":
        return
    chosen = choose(network, trainable)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in chosen)


def choose(network: nn.Module, trainable: str | Sequence[str], key: str = "task.trainable") -> set[str]:
    """Return the names of the parameters that `trainable` means; `key` is where it stands, for messages."""
    names = [name for name, _ in network.named_parameters()]
    if trainable == "all":
        return set(names)
    if trainable in ("head", "bias"):
        head = head_of(network)
        wanted = {name for name in names if name.startswith(f"{head}.") or not head}
        biases = {name for name in names if name.rsplit(".", 1)[-1].startswith("bias")}
        return wanted | biases if trainable == "bias" else wanted
    if trainable == "norm":
        norms = [name for name, module in network.named_modules() if isinstance(module, NORMS)]
        return {name for name in names if any(name.startswith(f"{place}.") for place in [head_of(network), *norms])}
    if isinstance(trainable, str) and (asked := LAST.fullmatch(trainable)):
        holders = [name for name, module in network.named_modules() if module._parameters]
        places, head = holders[-int(asked[1]) :], head_of(network)
        return {name for name in names if name.rpartition(".")[0] in places or name.startswith(f"{head}.")}
    patterns = [trainable] if isinstance(trainable, str) else list(trainable)
    return {name for pattern in patterns for name in matches(pattern, names, key)}


def matches(pattern: str, names: list[str], key: str = "task.trainable") -> list[str]:
    """Return the names that match; a module's name alone stands for everything in it."""
    found = [name for name in names if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]
    if not found:
        known = nearest(pattern.strip("*."), names) or names[:3]
        raise RunnerError(
            f"{key}: {pattern} matches no parameter of this network. Nearest names: {', '.join(known)}."
            + (f" Or choose one of {', '.join(WORDS)}." if key == "task.trainable" else "")
        )
    return found


def head_of(network: nn.Module) -> str:
    """Return the name of the output layer: the module called `head`, or the last one that holds parameters itself."""
    head = getattr(network, "head", None)
    if isinstance(head, nn.Module) and any(True for _ in head.parameters()):
        return "head"
    holders = [name for name, module in network.named_modules() if module._parameters]
    if not holders:
        raise RunnerError("task.trainable: this network has no parameters; use task.trainable=all.")
    return holders[-1]


def frozen_norms(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the batch normalisation layers none of whose parameters train."""
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if isinstance(module, _BatchNorm) and own and not any(parameter.requires_grad for parameter in own):
            yield module
