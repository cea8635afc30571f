"""Numbers that a network holds: how many, how many bytes, and what share of the weights is not zero."""

from torch import Tensor, nn


def parameters(network: nn.Module) -> int:
    """Return the number of parameters; shared ones count once."""
    return sum(parameter.numel() for parameter in network.parameters())


def matrices(network: nn.Module) -> dict[str, Tensor]:
    """Return the parameters of two and more dimensions by name: what networks spend their size and their time on."""
    return {name: each for name, each in network.named_parameters() if each.dim() >= 2}


def nonzero_share(network: nn.Module) -> float:
    """Return the share of the values of all `matrices` that is not exactly zero, 0 to 1; 1 where there are none."""
    found = list(matrices(network).values())
    total = sum(matrix.numel() for matrix in found)
    return sum(int(matrix.count_nonzero()) for matrix in found) / total if total else 1.0
