"""The inputs that a layer sees, as their second moments: what GPTQ weighs rounding errors by."""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.nn import functional

from runner.compression.quantization.weights.layers import Dense
from runner.measure.nested import Nested


class _Done(Exception):  # noqa: N818 - it is no error
    """Ends a forward pass at the layer that was looked for."""


@torch.no_grad()
def calls(network: nn.Module, layers: Iterable[Dense], example: Nested) -> Counter[Dense]:
    """Return how often one forward pass of `example` (N, …) calls each layer.

    In the order in which they are first called.
    """
    counted: Counter[Dense] = Counter()
    with ExitStack() as hooks:
        for layer in layers:
            handle = layer.register_forward_pre_hook(lambda module, _: counted.update([module]))
            hooks.callback(handle.remove)
        network(example)
    return counted


@torch.no_grad()
def hessian(network: nn.Module, layer: Dense, batches: Iterable[Nested], *, once: bool) -> Tensor:
    """Return the sum of x xᵀ over all inputs x of `layer` while `network` answers `batches`.

    (conv groups, n, n), n inputs.

    For a convolution x is a patch, flattened as its weight is. Nothing but this sum is kept; where the layer is called
    `once` a forward pass, the rest of the pass is spared.
    """
    groups, count = conv_groups(layer), layer.weight[0].numel()
    total = torch.zeros(groups, count, count, device=layer.weight.device)

    def add(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        for part in arguments[0].split(at_once(layer, len(arguments[0]))):
            columns = patches(layer, part)
            total.baddbmm_(columns, columns.mT)
        if once:
            raise _Done

    handle = layer.register_forward_pre_hook(add)
    try:
        for batch in batches:
            try:
                network(batch)
            except _Done:
                continue
    finally:
        handle.remove()
    return total


def conv_groups(layer: Dense) -> int:
    """Return the groups of a convolution; 1 for a linear layer."""
    return layer.groups if isinstance(layer, nn.Conv2d) else 1


def at_once(layer: Dense, batch: int) -> int:
    """Return how many samples are unfolded at once.

    A convolution's patches take as many times its inputs' memory as its
    kernel has places.
    """
    places = layer.weight[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
    return max(1, batch // places)


def patches(layer: Dense, inputs: Tensor) -> Tensor:
    """Return every input vector of the layer as a column: float32 (conv groups, n, vectors)."""
    if isinstance(layer, nn.Linear):
        return inputs.float().reshape(1, -1, inputs.shape[-1]).mT
    borders = [0, 0, 0, 0] if layer.padding == "valid" else layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = functional.pad(inputs.float(), borders, mode=mode)
    unfolded = functional.unfold(padded, layer.kernel_size, layer.dilation, 0, layer.stride)  # (N, in * places, L)
    return unfolded.unflatten(1, (layer.groups, -1)).permute(1, 2, 0, 3).flatten(2)
