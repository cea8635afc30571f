"""The activation functions by name, for every network of our own that lets them be chosen."""

from collections.abc import Callable

from torch import nn

from runner.errors import did_you_mean

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
    """Return the class of an activation function, which keeps shapes; ValueError, with the nearest names, for others."""
    if name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"model.activation={name}: choose from {known}.{did_you_mean(str(name), ACTIVATIONS)}")
    return ACTIVATIONS[name]
