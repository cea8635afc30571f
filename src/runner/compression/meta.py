"""Filling a model that was built on the meta device: tensors take their places, none is copied."""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Build = Callable[[], nn.Module]


def built_on_meta(build: Build) -> nn.Module:
    """Return what `build` makes, in evaluation mode and without values: shapes and dtypes only."""
    with torch.device("meta"):
        return build().eval()


def without_values(network: nn.Module) -> nn.Module:
    """Return a copy of `network` on the meta device; none of its values is copied on the way."""
    tensors: dict[int, Tensor] = {id(each): each.to("meta") for each in network.buffers()}
    for each in network.parameters():
        tensors[id(each)] = nn.Parameter(each.detach().to("meta"), requires_grad=each.requires_grad)
    return copy.deepcopy(network, tensors)


def own_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers by name, buffers that a state_dict leaves out included; shared ones once."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def assign(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put `tensors` in the places of the network's own of these names, wherever those are shared.

    Raises:
        ValueError: a name that the network does not have, or another shape.
    """
    places: dict[int, list[tuple[dict[str, Tensor | None], str]]] = {}
    for module in network.modules():
        for held in (module._parameters, module._buffers):
            for key, tensor in held.items():
                if tensor is not None:
                    places.setdefault(id(tensor), []).append((held, key))  # type: ignore[arg-type]
    own = {**dict(network.named_parameters(remove_duplicate=False)), **dict(network.named_buffers())}
    for name, tensor in tensors.items():
        if name not in own or own[name].shape != tensor.shape:
            there = f"has the shape {tuple(own[name].shape)}" if name in own else "does not exist"
            raise ValueError(f"{name} {tuple(tensor.shape)} {there} in {type(network).__name__}")
        is_parameter = isinstance(own[name], nn.Parameter)
        value = nn.Parameter(tensor, requires_grad=False) if is_parameter else tensor
        for held, key in places[id(own[name])]:
            held[key] = value


def unfilled(network: nn.Module) -> list[str]:
    """Return names of the tensors that still have no values."""
    return [name for name, tensor in own_tensors(network).items() if tensor.is_meta]
