"""Put other layers in the place of some, in a copy of a network."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from runner.errors import RunnerError, did_you_mean


def replaced(network: nn.Module, settings: Mapping[str, Any], make: Callable[[Any, Any], nn.Module]) -> nn.Module:
    """A copy of `network` in which `make(layer, setting)` stands for each layer that `settings` names.

    A layer that is used in several places is replaced in all of them by one and the same.

    Raises:
        RunnerError: the network has no layer of that name.
    """
    network = copy.deepcopy(network)
    for name, setting in settings.items():
        put(network, name, make(layer_of(network, name), setting))
    return network


def layer_of(network: nn.Module, name: str) -> nn.Module:
    """The layer of that name; RunnerError with the nearest names where there is none."""
    known = dict(network.named_modules())
    if name not in known:
        raise RunnerError(f"{type(network).__name__} has no layer {name!r} to replace.{did_you_mean(name, known)}")
    return known[name]


def put(network: nn.Module, name: str, new: nn.Module) -> None:
    """Puts `new`, in the mode of the layer called `name`, wherever that layer stands; changes `network`."""
    old = network.get_submodule(name)
    new.train(old.training)
    for parent in network.modules():
        for child, module in list(parent._modules.items()):  # named_children() tells of each but once
            if module is old:
                setattr(parent, child, new)


def alike(layer: nn.Conv2d | nn.Linear) -> dict[str, Any]:
    """The keywords by which new layers get the device and number type of a layer."""
    return {"device": layer.weight.device, "dtype": layer.weight.dtype}


def laid_out_like(new: nn.Module, layer: nn.Conv2d) -> nn.Module:
    """`new` with channels last in memory where the layer's weights are."""
    last = layer.weight.is_contiguous(memory_format=torch.channels_last) and not layer.weight.is_contiguous()
    return new.to(memory_format=torch.channels_last) if last else new


def geometry(layer: nn.Conv2d) -> dict[str, Any]:
    """The keywords that say where a convolution looks."""
    return {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode")}
