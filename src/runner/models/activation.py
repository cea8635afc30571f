"""The activation functions by name, for every network of our own that lets them be chosen."""

from collections.abc import Callable
from difflib import get_close_matches

from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def activation_of(name: str) -> Callable[[], nn.Module]:
    """Return the class of an activation function, which keeps shapes; ValueError, with near names, for another."""
    if name not in ACTIVATIONS:
        near = ", ".join(get_close_matches(str(name), ACTIVATIONS, cutoff=0.5))
        hint = f" Did you mean {near}?" if near else ""
        raise ValueError(f"model.activation={name}: choose from {', '.join(ACTIVATIONS)}.{hint}")
    return ACTIVATIONS[name]
