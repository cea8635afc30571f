"""Mamba-2: the state-space model as attention with decay, computed in chunks (Dao and Gu, 2024)."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from runner.models.mamba import CHUNK, StateSpace, initial_step_bias
from runner.models.sequence import causal_convolution


def state_space_dual(inputs: Tensor, log_decay: Tensor, b: Tensor, c: Tensor, chunk: int = CHUNK) -> Tensor:
    """Return y_t = sum over s <= t of (C_t . B_s) exp(log_decay_{s+1} + … + log_decay_t) x_s (section 6, listing 1).

    The same as the recurrence h_t = exp(log_decay_t) h_{t-1} + x_t B_t^T, y_t = h_t C_t: within a chunk as masked
    matrix products, from chunk to chunk through the state.

    `inputs` float (N, T, H, P), `log_decay` (N, T, H) at most 0, `b` and `c` (N, T, S) -> float (N, T, H, P).
    """
    n, _, heads, width = inputs.shape
    state = inputs.new_zeros(n, heads, b.shape[2], width)
    outputs = []
    for x, d, b_t, c_t in zip(*(tensor.split(chunk, 1) for tensor in (inputs, log_decay, b, c)), strict=True):
        x, total = x.transpose(1, 2), d.cumsum(1).transpose(1, 2)  # (N, H, T, P); (N, H, T): decay in this chunk
        b_t, c_t = b_t.unsqueeze(1), c_t.unsqueeze(1)  # (N, 1, T, S): heads share them
        between = (total.unsqueeze(3) - total.unsqueeze(2)).masked_fill(future(x.shape[2], x.device), -math.inf)
        within = (c_t @ b_t.transpose(2, 3) * torch.exp(between)) @ x
        outputs.append((within + (c_t @ state) * torch.exp(total).unsqueeze(3)).transpose(1, 2))
        left = torch.exp(total[:, :, -1:] - total)  # what remains of each token at the chunk's end
        state = state * torch.exp(total[:, :, -1])[:, :, None, None]
        state = state + b_t.transpose(2, 3) @ (x * left.unsqueeze(3))
    return torch.cat(outputs, 1)


def future(steps: int, device: torch.device) -> Tensor:
    """Return bool (T, T): True where the second token comes after the first."""
    return torch.ones(steps, steps, dtype=torch.bool, device=device).triu(1)


class Mamba2Block(nn.Module):
    """One projection for all of it, convolution, state-space duality, gated norm, projection (figure 6).

    Args:
        width: features in and out; inside there are twice as many, divided among `heads`.
        state: values that each feature remembers; B and C are shared by all heads.
        kernel: tokens that the convolution sees.
    """

    def __init__(self, width: int, state: int = 16, heads: int = 4, kernel: int = 4) -> None:
        super().__init__()
        inner = 2 * width
        if inner % heads:
            raise ValueError(f"twice width={width} is no multiple of heads={heads}.")
        mixed = inner + 2 * state
        self.sizes, self.heads, self.state = (inner, mixed, heads), heads, state
        self.input = nn.Linear(width, inner + mixed + heads, bias=False)
        self.kernel = nn.Parameter((torch.rand(mixed, kernel) * 2 - 1) / math.sqrt(kernel))
        self.kernel_bias = nn.Parameter(torch.zeros(mixed))
        self.step_bias = nn.Parameter(initial_step_bias(heads))
        self.log_a = nn.Parameter(torch.log(1 + 15 * torch.rand(heads)))
        self.skip = nn.Parameter(torch.ones(heads))
        self.norm = nn.RMSNorm(inner)
        self.output = nn.Linear(inner, width, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map float (N, T, width) to the same shape; a token sees itself and those before it."""
        gate, mixed, step = self.input(features).split(self.sizes, 2)
        mixed = F.silu(causal_convolution(mixed, self.kernel, self.kernel_bias))
        x, b, c = mixed.split([self.sizes[0], self.state, self.state], 2)
        x, step = x.unflatten(2, (self.heads, -1)), F.softplus(step + self.step_bias)
        y = state_space_dual(x * step.unsqueeze(3), -torch.exp(self.log_a) * step, b, c)
        y = y + self.skip.unsqueeze(1) * x
        return self.output(self.norm(y.flatten(2) * F.silu(gate)))


def mamba2(
    num_tokens: int,
    num_outputs: int,
    readout: str = "whole",
    *,
    width: int = 64,
    state: int = 16,
    heads: int = 4,
    layers: int = 2,
    dropout: float = 0.1,
) -> StateSpace:
    """Build `layers` of `Mamba2Block`."""
    blocks: list[nn.Module] = [Mamba2Block(width, state, heads) for _ in range(layers)]
    return StateSpace(num_tokens, num_outputs, readout, width=width, blocks=blocks, dropout=dropout)
