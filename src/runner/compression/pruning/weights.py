"""The weights that may be set to zero, and the copy of a network in which they are."""

import copy
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from runner.compression.modules import matches, unknown
from runner.errors import RunnerError, join_errors

# What multiplies inputs; embeddings look up, and what a network holds as parameters of its own may mean anything.
KINDS = (_ConvNd, nn.Linear, nn.Bilinear, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)


def prunable(network: nn.Module, skip: Sequence[str] = ()) -> dict[str, Tensor]:
    """Return the weight matrices and kernels by name; shared ones once, all-zero ones not at all.

    Args:
        skip: modules left as they are, with what is inside, by name (globs) or type.

    Raises:
        RunnerError: a pattern matches nothing, or nothing is left.
    """
    found = {pattern: matches(pattern, network) for pattern in skip}
    if wrong := [unknown(pattern, network) for pattern, names in found.items() if not names]:
        raise join_errors([f"pruning.skip: {message}" for message in wrong])
    skipped = set().union(*found.values())
    weights = dict(_weights(network))
    kept = {name: each for name, each in weights.items() if not _inside(name, skipped) and bool(each.any())}
    if not kept:
        what = (
            "pruning.skip leaves no weights to prune" if weights else "it has no linear, convolution or recurrent layer"
        )
        raise RunnerError(f"pruning: nothing of {type(network).__name__} can be pruned: {what}. Use pruning=none.")
    return kept


def with_zeros(network: nn.Module, zeros: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy of `network` in which the parameters named are zero where `zeros` (bool, same shape) is True."""
    copied = copy.deepcopy(network)
    parameters = dict(copied.named_parameters())
    with torch.no_grad():
        for name, mask in zeros.items():
            parameters[name].masked_fill_(mask, 0)
    return copied


def _weights(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    seen: set[int] = set()
    for path, module in network.named_modules():
        if not isinstance(module, KINDS):
            continue
        for key, tensor in module.named_parameters(recurse=False):
            if tensor.dim() >= 2 and "weight" in key and id(tensor) not in seen:
                seen.add(id(tensor))
                yield f"{path}.{key}" if path else key, tensor


def _inside(name: str, modules: set[str]) -> bool:
    """Return whether a parameter belongs to one of the modules or lies in one; the empty name is the whole network."""
    return any(not module or name.startswith(f"{module}.") for module in modules)
