"""The layers of a network that a method of fine-tuning can adapt, and why it cannot take the others."""

import math

from torch import nn

from runner.compression.finetuning.projections import FUSED, PROJECTIONS
from runner.compression.finetuning.settings import AdaptersSettings
from runner.compression.modules import matches, unknown
from runner.errors import RunnerError

RANKED = ("lora", "dora", "loha", "lokr", "vera", "adalora", "qlora")
BLOCKED, LINEAR_ONLY = ("oft", "boft"), ("vera", "qlora")
# Methods whose adapters convolve as nn.Conv2d does, whatever the layer's own class does (timm's Conv2dSame pads).
AS_PLAIN = ("adalora", "loha", "lokr")
# Of torch and torchvision.
READERS = ("MultiheadAttention", "ShiftedWindowAttention")
NAMED = 3


def choose(network: nn.Module, settings: AdaptersSettings, head: str) -> list[str]:
    """Return the full names of the layers to adapt, in the network's order; the head, which trains itself, is none.

    Args:
        head: the name of the output layer.

    Raises:
        RunnerError: a pattern hits nothing, or a layer that the method cannot take; nothing is left.
    """
    method, patterns = settings.method, settings.layers
    reasons = {
        name: objection(network, name, settings)
        for name, layer in network.named_modules()
        if name and isinstance(layer, nn.Linear | nn.Conv2d) and not within(name, head)
    }
    if not patterns:
        if found := [name for name, reason in reasons.items() if reason is None]:
            return found
        told = "; ".join(f"{name} {reason}" for name, reason in list(reasons.items())[:NAMED])
        raise RunnerError(
            f"finetune: {method} finds no layer to adapt beside the output layer {head}"
            f"{f' ({told})' if told else ''}. Lower finetune.rank or finetune.block_size, or choose finetune=lora or "
            "finetune=head."
        )
    meant: set[str] = set()
    for pattern in patterns:
        found = [name for name in matches(pattern, network) if name in reasons]
        if not found:
            raise RunnerError(f"finetune.layers: {nothing(network, pattern, head)}")
        meant.update(found)
    for name in reasons:
        if name in meant and (reason := reasons[name]):
            raise RunnerError(f"finetune.layers: {method} cannot adapt {name}: it {reason}.")
    return [name for name in reasons if name in meant]


def nothing(network: nn.Module, pattern: str, head: str) -> str:
    """Return what to say of a pattern that names no layer with weights to adapt."""
    named = matches(pattern, network)
    if not named:
        return unknown(pattern, network)
    if any(within(name, head) for name in named):
        return f"{pattern} is the output layer, which trains in any case; leave it out."
    return f"{pattern} names neither a Linear nor a Conv2d layer; {pattern}.* means what is inside."


def within(name: str, place: str) -> bool:
    """Return whether a module is the one at `place`, or inside it."""
    return name == place or name.startswith(f"{place}.")


def objection(network: nn.Module, name: str, settings: AdaptersSettings) -> str | None:
    """Return why a method cannot adapt a layer, as the end of a sentence that begins with `it`; None where it can."""
    method, rank, block = settings.method, settings.rank, settings.block_size
    layer, parent = network.get_submodule(name), network.get_submodule(name.rpartition(".")[0])
    if reader := next((each.__name__ for each in type(parent).__mro__ if each.__name__ in READERS), None):
        # It is never called: an update would not train, and still be there after the merge (peft#2200).
        return f"is part of {reader}, which reads its weight without calling it"
    convolution = isinstance(layer, nn.Conv2d)
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    if convolution and method in LINEAR_ONLY:
        return "is a convolution, and the method takes Linear layers only"
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        return f"is a convolution in {layer.groups} groups"
    if isinstance(layer, nn.Conv2d) and method in AS_PLAIN and type(layer).forward is not nn.Conv2d.forward:
        return f"is a {type(layer).__name__}, which convolves in a way of its own that peft does not follow"
    if isinstance(layer, nn.Conv2d) and method == "oft" and (*layer.kernel_size, *layer.padding) != (1, 1, 0, 0):
        return "is a convolution over several pixels, where peft's OFT begins with other answers than the base"
    outputs, inputs = layer.weight.shape[0], math.prod(layer.weight.shape[1:])
    if settings.projections:
        if convolution or name.rpartition(".")[2] != FUSED or outputs % len(PROJECTIONS):
            return f"is no Linear layer called {FUSED}, of which finetune.projections means parts"
        outputs //= len(PROJECTIONS)
    if method in RANKED and rank > min(outputs, inputs):
        return f"has rank {min(outputs, inputs)} itself, less than finetune.rank={rank}"
    if method in BLOCKED and inputs % block:
        return f"has {inputs} inputs, which finetune.block_size={block} does not divide"
    return None
