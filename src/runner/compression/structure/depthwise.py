"""Depthwise-separable layers: a convolution as one kernel a channel, and a 1×1 convolution across channels."""

from collections import OrderedDict

from torch import nn

from runner.compression.replace import alike, geometry, laid_out_like, replaced


def rebuild(network: nn.Module, *, layers: list[str], multiplier: int) -> nn.Module:
    """A copy of `network` whose convolutions in `layers` are separated; the values are left open.

    Raises:
        RunnerError: the network has no layer of that name.
    """
    return replaced(network, dict.fromkeys(layers, multiplier), pair)


def pair(layer: nn.Conv2d, multiplier: int) -> nn.Sequential:
    """`depthwise`, `multiplier` kernels for each input channel, and `pointwise`, in the shapes that stand for `layer`.

    The depthwise part has the layer's own geometry (size, stride, padding, dilation); the bias goes with the second.
    """
    between = layer.in_channels * multiplier
    depthwise = nn.Conv2d(
        layer.in_channels, between, groups=layer.in_channels, bias=False, **geometry(layer), **alike(layer)
    )
    pointwise = nn.Conv2d(between, layer.out_channels, 1, bias=layer.bias is not None, **alike(layer))
    parts = OrderedDict(depthwise=laid_out_like(depthwise, layer), pointwise=laid_out_like(pointwise, layer))
    return nn.Sequential(parts)
