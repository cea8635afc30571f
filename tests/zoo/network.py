"""A network of the zoo with random weights that let signals through, so that its outputs tell images apart.

Libraries begin with residual branches that add nothing, and with weights under which signals fade or explode within
twenty layers. Training ends both; without it, rounding would be compared with next to nothing.
"""

import math
import re
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from runner.models.timm import timm_model
from runner.models.torchvision import torchvision_model
from tests.zoo import Member

_BUILDERS = {"torchvision": torchvision_model, "timm": timm_model}
_CLASSES = 10
# Images in a batch, and pixels in all of them: large images come in fewer.
_SAMPLES, _PIXELS = 32, 32 * 96 * 96
# For the settled statistics of batch norms: passes over fresh images.
_PASSES = 4
# What batch norms add. Behind ones that add nothing, a ReLU lets differences grow by 1.7 dB against what is told apart.
_SHIFT = 1.0
# A constant factor below the first was put there to silence a branch, which then counts for the second.
_SILENT, _AWAKE = 0.1, 0.3
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def lively(member: Member) -> nn.Module:
    """Return the network as `model=torchvision` and `model=timm` build it, but shorter, in inference mode.

    Its weights are uniform, every convolution and linear layer answers with a mean square of about one, no branch is
    silent, and batch norms have the statistics of what passes through them.
    """
    network = _BUILDERS[member.library](member.name, 3, member.size, _CLASSES, **member.arguments).eval()
    _shorten(network)
    _wake(network)
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        if norm.bias is not None:
            nn.init.constant_(norm.bias, _SHIFT)
    with torch.no_grad():
        _scale_weights(network, images(member.size))
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all passes
        for _ in range(_PASSES if norms else 0):
            network(images(member.size))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()


def images(size: int) -> Tensor:
    """Return random images (N, 3, size, size): smooth ones of different colours, with noise upon them."""
    count = max(8, min(_SAMPLES, _PIXELS // size**2))
    smooth = functional.interpolate(torch.randn(count, 3, 4, 4), size=(size, size), mode="bilinear")
    noise, brightness = torch.randn(count, 3, size, size), torch.randn(count, 3, 1, 1)
    return smooth + 0.5 * noise + 0.5 * brightness


def _shorten(network: nn.Module) -> None:
    """Keep two of blocks that are the same and follow one another: what a third one comes to is known by then."""
    for module in network.modules():
        if getattr(type(module), "forward", None) is nn.Sequential.forward:
            looks = [re.sub(r"p(rob)?=[\d.e-]+", "", repr(each)) for each in module]  # of stochastic depth
            for place in reversed(range(2, len(looks))):
                if looks[place] == looks[place - 1] == looks[place - 2] and [*module[place].parameters()]:
                    del module[place]


def _wake(network: nn.Module) -> None:
    """Draw the weights of all layers, and let branches count that a factor silences."""
    for module in network.modules():
        if isinstance(module, _WEIGHTED):
            bound = math.sqrt(3 / module.weight[0].numel())  # some are read by other modules, which nothing scales
            nn.init.uniform_(module.weight, -bound, bound)
    for name, parameter in network.named_parameters():
        value, last = parameter.data, name.rpartition(".")[2]
        factor = value.numel() == max(value.shape, default=1) and not last.startswith(("bias", "beta"))
        if factor and bool((value == value.flatten()[0]).all()) and bool(value.abs().max() < _SILENT):
            value.fill_(_AWAKE)


def _scale_weights(network: nn.Module, inputs: Tensor) -> None:
    """Scale the weights of each layer by what it answers to `inputs`, from the first layer to the last (LSUV)."""
    seen = set[nn.Module]()

    def scale(module: nn.Module, given: tuple[Any, ...], answer: Tensor) -> Tensor | None:
        size = float(answer.square().mean().sqrt())
        if module in seen or not size > 0:
            return None
        seen.add(module)
        for parameter in module.parameters(recurse=False):
            parameter.data /= size
        return module.forward(*given)

    hooks = [each.register_forward_hook(scale) for each in network.modules() if isinstance(each, _WEIGHTED)]
    network(inputs)
    for hook in hooks:
        hook.remove()
