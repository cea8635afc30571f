"""TTT-Linear: a layer whose memory is a linear model, trained on each sequence as it is read (Sun et al., 2024)."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from runner.models.mamba import StateSpace

CHUNK = 16
EPSILON = 1e-6


def normalized(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return values (…, P) with mean 0 and variance 1 over the last dimension, and the standard deviation (…, 1)."""
    centred = values - values.mean(-1, keepdim=True)
    std = (centred.square().mean(-1, keepdim=True) + EPSILON).sqrt()
    return centred / std, std


def inner_gradient(answer: Tensor, goal: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the gradient of the inner loss ||scale * norm(answer) + shift - goal||² / 2 by `answer`, float (…, P)."""
    unit, std = normalized(answer)
    by_unit = (scale * unit + shift - goal) * scale
    mean = by_unit.mean(-1, keepdim=True)
    return (by_unit - mean - unit * (by_unit * unit).mean(-1, keepdim=True)) / std


def train_while_reading(
    queries: Tensor, keys: Tensor, values: Tensor, rates: Tensor, inner: tuple[Tensor, Tensor, Tensor, Tensor]
) -> Tensor:
    """Read a sequence with the inner model f(x) = x + scale * norm(x W + b) + shift while training it.

    The inner loss of a token is ||f(key) - value||² / 2 (equation 4, with the residual and the norm of section 2.7).
    W and b take a step of gradient descent for each token; gradients are taken where the token's mini-batch of
    CHUNK began (section 2.4), and all of a mini-batch is computed by matrix products (the dual form, section 2.5).

    Args:
        queries, keys, values: float (N, H, T, P).
        rates: float (N, H, T, 1), the size of each token's step.
        inner: W (H, P, P) and b (H, 1, P) to begin with, scale and shift (H, 1, P).

    Returns:
        f(query) of each token, after the step of that token: float (N, H, T, P).
    """
    weight, bias, scale, shift = inner
    outputs = []
    for q, k, v, rate in zip(*(tensor.split(CHUNK, 2) for tensor in (queries, keys, values, rates)), strict=True):
        gradient = rate * inner_gradient(k @ weight + bias, v - k, scale, shift)
        past = torch.tril(q @ k.transpose(2, 3))
        sums = torch.tril(torch.ones_like(past[0, 0])) @ gradient
        answer, _ = normalized(q @ weight - past @ gradient + bias - sums)
        outputs.append(q + scale * answer + shift)
        weight = weight - k.transpose(2, 3) @ gradient
        bias = bias - gradient.sum(2, keepdim=True)
    return torch.cat(outputs, 2)


class TTTLinearBlock(nn.Module):
    """Queries, keys, values and step sizes from linear layers; test-time training; a gate and a linear layer.

    Args:
        width: features in and out, divided among `heads`.
        base_rate: the largest step, for inputs of size 1.
    """

    def __init__(self, width: int, heads: int = 4, base_rate: float = 1.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} is no multiple of heads={heads}.")
        size = width // heads
        self.heads, self.rate = heads, base_rate / size
        self.query, self.key, self.value, self.gate = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.step = nn.Linear(width, heads)
        self.weight = nn.Parameter(0.02 * torch.randn(heads, size, size))
        self.bias = nn.Parameter(torch.zeros(heads, 1, size))
        self.scale, self.shift = nn.Parameter(torch.ones(heads, 1, size)), nn.Parameter(torch.zeros(heads, 1, size))
        self.norm, self.output = nn.LayerNorm(width), nn.Linear(width, width, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map float (N, T, width) to the same shape; a token sees itself and those before it."""
        layers = (self.query, self.key, self.value)
        q, k, v = (layer(features).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in layers)
        rates = self.rate * torch.sigmoid(self.step(features)).transpose(1, 2).unsqueeze(3)
        read = train_while_reading(q, k, v, rates, (self.weight, self.bias, self.scale, self.shift))
        return self.output(F.gelu(self.gate(features)) * self.norm(read.transpose(1, 2).flatten(2)))


def ttt_linear(
    num_tokens: int,
    num_outputs: int,
    readout: str = "whole",
    *,
    width: int = 64,
    heads: int = 4,
    layers: int = 2,
    dropout: float = 0.1,
) -> StateSpace:
    """Build `layers` of `TTTLinearBlock`."""
    blocks: list[nn.Module] = [TTTLinearBlock(width, heads) for _ in range(layers)]
    return StateSpace(num_tokens, num_outputs, readout, width=width, blocks=blocks, dropout=dropout)
