"""The modules of a network: which of them a pattern means, and how others are put in their place."""

import copy
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from runner.errors import RunnerError, did_you_mean, join_errors


def matches(pattern: str, network: nn.Module) -> set[str]:
    """Return the names of the modules in `network` that `pattern` (a glob over names, or a type's name) means.

    A module that stands in several places goes by each of its names, and by all of them where one is meant.
    """
    named = dict(network.named_modules(remove_duplicate=False))
    meant = {
        id(module)
        for name, module in named.items()
        if (name and fnmatchcase(name, pattern)) or type(module).__name__ == pattern
    }
    return {name for name, module in named.items() if id(module) in meant}


def unknown(pattern: str, network: nn.Module) -> str:
    """Return what to say when `pattern` matches nothing: the nearest names and types."""
    known = {name for name, _ in network.named_modules() if name}
    known |= {type(module).__name__ for module in network.modules()}
    near = did_you_mean(pattern, known) or f" Its modules: {', '.join(sorted(known)[:12])}."
    return f"No layer of {type(network).__name__} is named, or is of type, {pattern!r}.{near}"


def covered(patterns: Iterable[str], network: nn.Module) -> set[str]:
    """Return the names of all modules that `patterns` mean, and of those inside them.

    Raises:
        RunnerError: a pattern that matches nothing; all of them are told at once.
    """
    roots: set[str] = set()
    wrong = []
    for pattern in patterns:
        found = matches(pattern, network)
        roots |= found
        wrong += [] if found else [unknown(pattern, network)]
    if wrong:
        raise join_errors(wrong)
    names = [name for name, _ in network.named_modules(remove_duplicate=False)]
    return {name for name in names if name in roots or any(name.startswith(f"{root}.") for root in roots)}


def replaced(network: nn.Module, settings: Mapping[str, Any], make: Callable[[Any, Any], nn.Module]) -> nn.Module:
    """Return a copy of `network` in which `make(layer, setting)` stands for each layer that `settings` names.

    A layer that is used in several places is replaced in all of them by one and the same.

    Raises:
        RunnerError: the network has no layer of that name.
    """
    network = copy.deepcopy(network)
    for name, setting in settings.items():
        put(network, name, make(layer_of(network, name), setting))
    return network


def layer_of(network: nn.Module, name: str) -> nn.Module:
    """Return the layer of that name; RunnerError with the nearest names where there is none."""
    known = dict(network.named_modules())
    if name not in known:
        raise RunnerError(f"{type(network).__name__} has no layer {name!r} to replace.{did_you_mean(name, known)}")
    return known[name]


def put(network: nn.Module, name: str, new: nn.Module) -> None:
    """Put `new`, in the mode of the layer called `name`, wherever that layer stands; changes `network`."""
    old = network.get_submodule(name)
    new.train(old.training)
    for parent in network.modules():
        for child, module in list(parent._modules.items()):  # named_children() tells of each but once
            if module is old:
                setattr(parent, child, new)


def alike(layer: nn.Conv2d | nn.Linear) -> dict[str, Any]:
    """Return the keywords by which new layers get the device and number type of a layer."""
    return {"device": layer.weight.device, "dtype": layer.weight.dtype}


def laid_out_like(new: nn.Module, layer: nn.Conv2d) -> nn.Module:
    """`new` with channels last in memory where the layer's weights are."""
    last = layer.weight.is_contiguous(memory_format=torch.channels_last) and not layer.weight.is_contiguous()
    return new.to(memory_format=torch.channels_last) if last else new


def geometry(layer: nn.Conv2d) -> dict[str, Any]:
    """Return the keywords that say where a convolution looks."""
    return {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode")}


def place(network: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put `new` wherever `network` has `old`."""
    names = [name for name, module in network.named_modules(remove_duplicate=False) if module is old]
    for name in names:
        network.set_submodule(name, new)
