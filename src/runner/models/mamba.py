"""Mamba: a state-space model whose step, input and output depend on the token (Gu and Dao, 2023)."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from runner.models.sequence import PreNorm, SequenceNetwork, causal_convolution

CHUNK = 32
STEP_RANGE = (1e-3, 1e-1)


def scan(decay: Tensor, inputs: Tensor, chunk: int = CHUNK) -> Tensor:
    """Return all states of h_t = decay_t * h_{t-1} + inputs_t with h_0 = 0; everything is float (N, T, …).

    Within a chunk by doubling (Hillis and Steele, 1986): after round r a position holds its last 2^r inputs, so a
    chunk takes log2(chunk) rounds over whole tensors and no division, which would overflow. Chunks come in sequence.
    """
    state, states = torch.zeros_like(inputs[:, 0]), []
    for a, b in zip(decay.split(chunk, 1), inputs.split(chunk, 1), strict=True):
        reach = 1
        while reach < a.shape[1]:
            b = torch.cat([b[:, :reach], b[:, reach:] + a[:, reach:] * b[:, :-reach]], 1)
            a = torch.cat([a[:, :reach], a[:, reach:] * a[:, :-reach]], 1)
            reach *= 2
        b = b + a * state.unsqueeze(1)
        states.append(b)
        state = b[:, -1]
    return torch.cat(states, 1)


def selective_scan(inputs: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Return y_t = C_t h_t with h_t = exp(step_t A) h_{t-1} + step_t B_t x_t (algorithm 2).

    B is discretised by Euler's rule, as published code has it.
    `inputs` and `step` float (N, T, D), `a` (D, S) below 0, `b` and `c` (N, T, S) -> float (N, T, D).
    """
    decay = torch.exp(step.unsqueeze(3) * a)
    states = scan(decay, (step * inputs).unsqueeze(3) * b.unsqueeze(2))
    return (states * c.unsqueeze(2)).sum(3)


def initial_step_bias(count: int) -> Tensor:
    """Return biases float (count,) for which softplus gives steps spread evenly, in logarithm, over STEP_RANGE."""
    low, high = map(math.log, STEP_RANGE)
    steps = torch.exp(low + (high - low) * torch.rand(count))
    return steps + torch.log(-torch.expm1(-steps))


class MambaBlock(nn.Module):
    """Projection, short causal convolution, selective scan, gate, projection (figure 3 of the paper).

    Args:
        width: features in and out; inside there are twice as many.
        state: values that each feature remembers.
        kernel: tokens that the convolution sees.
    """

    def __init__(self, width: int, state: int = 16, kernel: int = 4) -> None:
        super().__init__()
        inner, rank = 2 * width, math.ceil(width / 16)
        self.inner, self.state, self.rank = inner, state, rank
        self.input = nn.Linear(width, 2 * inner, bias=False)
        self.kernel = nn.Parameter((torch.rand(inner, kernel) * 2 - 1) / math.sqrt(kernel))
        self.kernel_bias = nn.Parameter(torch.zeros(inner))
        self.selection = nn.Linear(inner, rank + 2 * state, bias=False)
        self.step = nn.Linear(rank, inner)
        self.log_a = nn.Parameter(torch.log(torch.arange(1.0, state + 1)).repeat(inner, 1))
        self.skip = nn.Parameter(torch.ones(inner))
        self.output = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.step.bias.copy_(initial_step_bias(inner))

    def forward(self, features: Tensor) -> Tensor:
        """Map float (N, T, width) to the same shape; a token sees itself and those before it."""
        x, gate = self.input(features).chunk(2, 2)
        x = F.silu(causal_convolution(x, self.kernel, self.kernel_bias))
        low, b, c = self.selection(x).split([self.rank, self.state, self.state], 2)
        y = selective_scan(x, F.softplus(self.step(low)), -torch.exp(self.log_a), b, c) + self.skip * x
        return self.output(y * F.silu(gate))


class StateSpace(SequenceNetwork):
    """Blocks that see the past only, each after a norm and added to what came in.

    Args:
        blocks: from (N, T, width) to the same shape; causal.
    """

    def __init__(
        self, num_tokens: int, num_outputs: int, readout: str, *, width: int, blocks: list[nn.Module], dropout: float
    ) -> None:
        super().__init__(num_tokens, num_outputs, readout, embedding=width, features=width, dropout=dropout)
        self.layers = nn.Sequential(*(PreNorm(width, block, dropout) for block in blocks))
        self.norm = nn.LayerNorm(width)

    def encode(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Map float (N, T, width) to the same shape; padding stands behind a sequence, so no token sees it."""
        return self.norm(self.layers(embedded))


def mamba(
    num_tokens: int,
    num_outputs: int,
    readout: str = "whole",
    *,
    width: int = 64,
    state: int = 8,
    layers: int = 2,
    dropout: float = 0.1,
) -> StateSpace:
    """Build `layers` of `MambaBlock`."""
    blocks: list[nn.Module] = [MambaBlock(width, state) for _ in range(layers)]
    return StateSpace(num_tokens, num_outputs, readout, width=width, blocks=blocks, dropout=dropout)
