"""Adapters: small updates beside frozen layers that train in their place, and are merged into them afterwards."""

import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from runner.compression.finetuning.four_bit import FourBitLinear
from runner.compression.finetuning.layers import choose, within
from runner.compression.finetuning.projections import SplitProjections
from runner.compression.finetuning.settings import AdaptersSettings
from runner.compression.methods import ADAPTER
from runner.errors import RunnerError

BASE = "base_layer."


@dataclass(frozen=True)
class Adapters(AdaptersSettings):
    """Put adapters beside a network's layers; see the settings."""

    def __call__(self, network: nn.Module, head: str) -> list[dict[str, Any]]:
        """Adapt `network` in place, freeze all but adapters and head, and return the step that `rebuild` takes.

        The network answers as before, bit for bit, and no number is drawn from torch's generator.

        Raises:
            RunnerError: peft is missing, or layers do not suit; see `layers.choose`.
        """
        layers = choose(network, self, head)
        settings = {**asdict(self), "layers": layers, "head": head}
        rebuild(network, **settings)
        return [{"change": ADAPTER, **settings}]


def rebuild(
    network: nn.Module, *, layers: Sequence[str], head: str, projections: Sequence[str] = (), **settings: Any
) -> nn.Module:
    """Return `network` with fresh adapters beside `layers`; what does not train is frozen."""
    peft = library()
    if projections:
        for name in layers:
            network.set_submodule(name, SplitProjections(network.get_submodule(name)))  # type: ignore[arg-type]
        layers = [f"{name}.{part}" for name in layers for part in projections]
    if settings["method"] == "qlora":
        for name in layers:
            network.set_submodule(name, FourBitLinear(network.get_submodule(name)))  # type: ignore[arg-type]
    config = config_of(peft, layers, settings)
    with torch.random.fork_rng(devices=[]), quietly():
        peft.PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type](network, config, "default")
    vars(network).pop("peft_config", None)
    for name, parameter in network.named_parameters():
        if within(name, head):
            parameter.requires_grad_(True)
    return network


@contextmanager
def quietly() -> Iterator[None]:
    """Keep to oneself that BOFT does without a CUDA extension, and what torch has to say of torchao's enums."""
    logger = logging.getLogger("torch.utils._pytree")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def library() -> Any:
    """Return peft, which takes seconds to import.

    Raises:
        RunnerError: it is not installed.
    """
    try:
        with quietly():
            import peft
    except ImportError as error:
        raise RunnerError(f"finetune: adapters need peft ({error}): pip install 'runner[finetune]'.") from error
    return peft


def config_of(peft: Any, layers: Sequence[str], settings: Mapping[str, Any]) -> Any:
    """Return the method's configuration; a list would be compared with the ends of names, a pattern with all of it."""
    method, rank, alpha, dropout, block = (
        settings[key] for key in ("method", "rank", "alpha", "dropout", "block_size")
    )
    target = {"target_modules": "|".join(re.escape(name) for name in layers)}
    if method in ("lora", "dora", "qlora"):
        own = {"r": rank, "lora_alpha": alpha, "lora_dropout": dropout, "use_dora": method == "dora"}
        return peft.LoraConfig(**target, **own)
    if method == "adalora":  # its schedule is the callback's
        return peft.AdaLoraConfig(**target, init_r=rank, lora_alpha=alpha, lora_dropout=dropout, total_step=1)
    if method == "vera":
        return peft.VeraConfig(**target, r=rank, vera_dropout=dropout)
    if method in ("loha", "lokr"):
        kind = peft.LoHaConfig if method == "loha" else peft.LoKrConfig
        return kind(**target, r=rank, alpha=alpha)
    if method == "oft":
        return peft.OFTConfig(**target, r=0, oft_block_size=block)
    if method == "boft":
        return peft.BOFTConfig(**target, boft_block_size=block)
    return peft.IA3Config(**target, feedforward_modules=[])


def adapted(network: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the layers with adapters, by name."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in list(network.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            yield name, layer


def idle(network: nn.Module, inputs: Tensor) -> list[str]:
    """Return the layers whose adapters a forward pass leaves out: the network reads their weights without a call."""
    layers = dict(adapted(network))
    called: set[nn.Module] = set()
    hooks = [layer.register_forward_hook(lambda each, *_: called.add(each)) for layer in layers.values()]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    return [name for name, layer in layers.items() if layer not in called]


def merge(network: nn.Module) -> None:
    """Add the adapters to the layers beside them, in place; modules, names and answers are the plain network's again.

    Layers of four bits a weight become float, with their rounded weights and what was learned beside them; projections
    that were apart become one layer. Answers agree with the adapted network's to rounding. Every parameter may train
    afterwards.

    Raises:
        RunnerError: an adapter holds numbers that are not finite.
    """
    for name, layer in adapted(network):
        if isinstance(layer.base_layer, FourBitLinear):
            layer.base_layer = layer.base_layer.plain()
        try:
            layer.merge(safe_merge=True)
        except ValueError as error:
            raise RunnerError(f"finetune: the adapter of {name} cannot be merged ({error}).") from error
        network.set_submodule(name, layer.get_base_layer())
    for name, split in list(network.named_modules()):
        if isinstance(split, SplitProjections):
            network.set_submodule(name, split.fused())
    network.requires_grad_(True)


def trained_state(network: nn.Module) -> dict[str, Tensor]:
    """Return what an adapter has beside its base: the parameters that train, and statistics of batch normalisation."""
    names = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    norms = [(path, module) for path, module in network.named_modules() if isinstance(module, _BatchNorm)]
    names |= {f"{path}.{name}" for path, module in norms for name, _ in module.named_buffers(recurse=False)}
    return {name: tensor for name, tensor in network.state_dict().items() if name in names}


def base_parameters(network: nn.Module, layers: Sequence[str], head: str) -> dict[str, Tensor]:
    """Return the parameters that an adapter rests on, by their names in the plain network, adapted or not."""
    trained = {name for path, layer in adapted(network) for name in own_names(path, layer)}
    found = {
        name.replace(BASE, "") if any(within(name, path) for path in layers) else name: parameter.detach()
        for name, parameter in network.named_parameters()
        if name not in trained and not within(name, head)
    }
    for path, module in network.named_modules():
        if isinstance(module, FourBitLinear):
            found[f"{path}.weight".replace(BASE, "")] = module.weight
    for path, module in network.named_modules():
        if isinstance(module, SplitProjections):
            found = {name: each for name, each in found.items() if not within(name, path)}
            found |= {f"{path}.{name}": each for name, each in module.parameters_fused().items()}
    return found


def parameter_counts(network: nn.Module) -> tuple[int, int]:
    """Return how many parameters of a network train, and how many it has, those kept in four bits among them."""
    sizes = [(each.numel(), each.requires_grad) for each in network.parameters()]
    packed = [each.weight.numel() for each in network.modules() if isinstance(each, FourBitLinear)]
    return sum(size for size, trains in sizes if trains), sum(size for size, _ in sizes) + sum(packed)


def own_names(path: str, layer: nn.Module) -> list[str]:
    """Return the names of an adapted layer's parameters that are the adapter's, and not the layer's."""
    plain = {id(parameter) for parameter in layer.get_base_layer().parameters()}  # type: ignore[operator]
    return [f"{path}.{name}" for name, parameter in layer.named_parameters() if id(parameter) not in plain]
