"""Layers of low rank: a linear or convolution layer as two, with a few channels between them."""

from collections import OrderedDict

from torch import nn

from runner.compression.replace import alike, geometry, laid_out_like, replaced


def rebuild(network: nn.Module, *, ranks: dict[str, int]) -> nn.Module:
    """A copy of `network` whose layers named in `ranks` pass through that many channels; the values are left open.

    Raises:
        RunnerError: the network has no layer of that name.
    """
    return replaced(network, ranks, pair)


def pair(layer: nn.Conv2d | nn.Linear, rank: int) -> nn.Sequential:
    """`reduce` to `rank` channels and `expand` to the outputs, in the shapes that stand for `layer`.

    A convolution is reduced by its own kernel (size, stride, padding, dilation) and expanded by 1×1 (Zhang et al.,
    2015: Accelerating Very Deep Convolutional Networks, section 3.1). The bias goes with the second.
    """
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        reduce: nn.Module = nn.Linear(layer.in_features, rank, bias=False, **alike(layer))
        expand: nn.Module = nn.Linear(rank, layer.out_features, bias=bias, **alike(layer))
        return nn.Sequential(OrderedDict(reduce=reduce, expand=expand))
    reduce = nn.Conv2d(layer.in_channels, rank, bias=False, **geometry(layer), **alike(layer))
    expand = nn.Conv2d(rank, layer.out_channels, 1, bias=bias, **alike(layer))
    return nn.Sequential(OrderedDict(reduce=laid_out_like(reduce, layer), expand=laid_out_like(expand, layer)))
