"""Putting coded layers in the place of a network's own, in a copy that holds no weight twice."""

import copy
from collections.abc import Iterable

from torch import nn

from runner.compression.modules import covered
from runner.compression.quantization.weights.layers import Dense
from runner.errors import RunnerError


def replaceable(network: nn.Module, skip: Iterable[str] = ()) -> dict[str, Dense]:
    """Return the layers by name that can be coded: nn.Linear and nn.Conv2d outside `skip` (names, globs or types).

    Not their subclasses: who made one reads its weight in other ways. A layer that occurs twice is named once.

    Raises:
        RunnerError: a pattern of `skip` that matches nothing, or no layer left.
    """
    left = covered(skip, network)
    found: dict[str, Dense] = {}
    for name, module in network.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)) and type(module) in (nn.Linear, nn.Conv2d) and name not in left:
            found[name] = module
    if not found:
        kept = f" outside skip=[{', '.join(skip)}]" if left else ""
        raise RunnerError(
            f"Nothing to quantize: {type(network).__name__} has no Linear and no Conv2d{kept}. "
            "Leave layers out of skip, or use quantization=bf16, which takes any network."
        )
    return found


def sharing_weights(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode whose layers can be replaced, with the tensors of `network` itself."""
    tensors = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    shared = copy.deepcopy(network, tensors).eval()
    for module in shared.modules():
        if isinstance(module, nn.TransformerEncoderLayer):  # its fast path reads weights past the layers
            module.activation_relu_or_gelu = 0
    return shared


def independent(network: nn.Module) -> nn.Module:
    """Return a copy that shares no tensor with the network that `sharing_weights` was given, and takes no gradients."""
    return copy.deepcopy(network).requires_grad_(False)
