"""Fewer channels: copies of a network whose layers are narrower, cut from it or rebuilt from plain settings."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from runner.errors import RunnerError

IN, OUT = "in", "out"
# What says how wide a layer is; everything else about it stays.
ATTRIBUTES: dict[type[nn.Module], tuple[str, ...]] = {
    _ConvNd: ("in_channels", "out_channels", "groups"),
    nn.Linear: ("in_features", "out_features"),
    _NormBase: ("num_features",),
    nn.GroupNorm: ("num_channels",),
    nn.LayerNorm: ("normalized_shape",),
    nn.PReLU: ("num_parameters",),
}
# Layer -> side -> the channels (counted in the layer's own) that go.
Removed = Mapping[str, Mapping[str, Sequence[int]]]


def rebuild(network: nn.Module, layers: Mapping[str, Mapping[str, Any]]) -> nn.Module:
    """Return a copy of the dense `network` whose `layers` are as wide as said; the values in it do not matter.

    `layers` is what `settings` returned: layer name -> attributes (`in_channels`, `num_features`, …).

    Raises:
        RunnerError: the network has no such layer, or it has no such attribute.
    """
    copied = copy.deepcopy(network)
    for name, attributes in layers.items():
        layer = _layer(copied, name, attributes)
        for attribute, value in attributes.items():
            setattr(layer, attribute, tuple(value) if isinstance(value, list) else value)
        for key, tensor in list(_tensors(layer)):
            _put(layer, key, tensor.new_zeros(_shape(layer, key)), like=tensor)
    return copied


def settings(dense: nn.Module, narrow: nn.Module) -> dict[str, dict[str, Any]]:
    """Return the layers of `narrow` that are narrower than those of `dense`, as plain Python that `rebuild` takes."""
    wide = dict(dense.named_modules())
    found = {name: _widths(layer) for name, layer in narrow.named_modules()}
    return {name: widths for name, widths in found.items() if widths and widths != _widths(wide[name])}


def cut(network: nn.Module, removed: Removed) -> nn.Module:
    """Return a copy of `network` without the `removed` channels; what they computed is gone, the rest is as it was.

    Of grouped convolutions as many must go from every group.
    """
    copied = copy.deepcopy(network)
    for name, sides in removed.items():
        layer = copied.get_submodule(name)
        for key, tensor in list(_tensors(layer)):
            kept = tensor.detach()
            for dim, side in enumerate(_sides(layer, key)):
                kept = _without(kept, dim, sides.get(side, ()))
            _put(layer, key, kept, like=tensor)
        _narrow(layer, sides)
    return copied


def is_depthwise(layer: nn.Module) -> bool:
    """Return whether a convolution filters every channel by itself; its two sides then are one."""
    return isinstance(layer, _ConvNd) and 1 < layer.groups == layer.in_channels == layer.out_channels


def width_attributes(layer: nn.Module) -> tuple[str, ...]:
    """Return the names of the attributes that say how wide a layer is; none where it cannot be made narrower."""
    return next((names for kind, names in ATTRIBUTES.items() if isinstance(layer, kind)), ())


def _widths(layer: nn.Module) -> dict[str, Any]:
    values = {name: getattr(layer, name) for name in width_attributes(layer)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _layer(network: nn.Module, name: str, attributes: Mapping[str, Any]) -> nn.Module:
    layer = dict(network.named_modules()).get(name)
    if layer is None or not set(attributes) <= set(width_attributes(layer)):
        raise RunnerError(
            f"The pruned network has a layer {name} with {', '.join(attributes)}, and {type(network).__name__} as it "
            "is configured has not. Choose the model it was pruned from (its run directory's config.yaml says which)."
        )
    return layer


def _tensors(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the layer's own tensors that are as long as it is wide; a counter of batches, for instance, is not."""
    for key, tensor in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
        if tensor.dim():
            yield key, tensor


def _sides(layer: nn.Module, key: str) -> tuple[str, ...]:
    """Return the side of the layer that each leading dimension of a tensor belongs to."""
    if key != "weight" or not isinstance(layer, (_ConvNd, nn.Linear)):
        return (OUT,)
    if is_depthwise(layer):
        return (OUT,)
    return (IN, OUT) if getattr(layer, "transposed", False) else (OUT, IN)


def _without(tensor: Tensor, dim: int, channels: Sequence[int]) -> Tensor:
    """Return the tensor without these channels along a dimension; an inner one holds the channels of one group only."""
    gone = set(channels)
    kept = [index for index in range(tensor.shape[dim]) if index not in gone]
    return tensor.index_select(dim, torch.tensor(kept, device=tensor.device))


def _narrow(layer: nn.Module, sides: Mapping[str, Sequence[int]]) -> None:
    """Set the attributes after the tensors were cut."""
    gone = {side: len(set(channels)) for side, channels in sides.items()}
    if isinstance(layer, _ConvNd):
        if is_depthwise(layer):
            layer.groups = layer.in_channels = layer.out_channels = layer.out_channels - gone.get(OUT, 0)
            return
        layer.in_channels -= gone.get(IN, 0)
        layer.out_channels -= gone.get(OUT, 0)
    elif isinstance(layer, nn.Linear):
        layer.in_features -= gone.get(IN, 0)
        layer.out_features -= gone.get(OUT, 0)
    elif isinstance(layer, nn.LayerNorm):
        layer.normalized_shape = (layer.normalized_shape[0] - gone.get(OUT, 0),)
    else:
        (name,) = width_attributes(layer)
        setattr(layer, name, getattr(layer, name) - gone.get(OUT, 0))


def _shape(layer: nn.Module, key: str) -> tuple[int, ...]:
    """Return the shape of a tensor of a layer whose attributes are set already."""
    if isinstance(layer, _ConvNd) and key == "weight":
        outer, inner = layer.out_channels, layer.in_channels
        if layer.transposed:
            outer, inner = inner, outer
        return (outer, inner // layer.groups, *layer.kernel_size)
    if isinstance(layer, nn.Linear) and key == "weight":
        return (layer.out_features, layer.in_features)
    wide = next(name for name in reversed(width_attributes(layer)) if name != "groups")
    width = getattr(layer, wide)
    return tuple(width) if isinstance(width, tuple) else (width,)


def _put(layer: nn.Module, key: str, values: Tensor, like: Tensor) -> None:
    """Put `values` in the place of a parameter or buffer, laid out in memory and trained as it was."""
    if like.dim() == 4 and like.is_contiguous(memory_format=torch.channels_last):
        values = values.contiguous(memory_format=torch.channels_last)
    if isinstance(like, nn.Parameter):
        layer.register_parameter(key, nn.Parameter(values, requires_grad=like.requires_grad))
    else:
        layer._buffers[key] = values
