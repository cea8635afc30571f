"""Transformer encoder with an attention of our own over queries, keys and values (Vaswani et al., 2017)."""

import math

import torch
from torch import Tensor, nn

from runner.models.sequence import PreNorm, SequenceNetwork, valid


def attention(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return softmax(Q K^T / sqrt(d)) V (Vaswani et al., 2017, equation 1).

    Float (…, T, d) each; `mask` bool, broadcast to (…, T, T), False where a key must not be looked at. At least one
    key of each query must be visible.
    """
    scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
    # A finite number: -inf becomes NaN under int8 rounding.
    return scores.masked_fill(~mask, -1e4).softmax(-1) @ values


class SelfAttention(nn.Module):
    """Several attentions side by side over slices of the features, then a linear layer (section 3.2.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} is no multiple of heads={heads}.")
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Map float (N, T, width) and bool (N, T), true where there are tokens, to float (N, T, width)."""
        q, k, v = (self.split(layer(features)) for layer in (self.query, self.key, self.value))
        return self.output(attention(q, k, v, mask[:, None, None, :]).transpose(1, 2).flatten(2))

    def split(self, features: Tensor) -> Tensor:
        """Split (N, T, width) into (N, heads, T, width / heads)."""
        return features.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """Self-attention and a two-layer perceptron, each added to what came in (pre-norm: Xiong et al., 2020)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), SelfAttention(width, heads)
        self.dropout = nn.Dropout(dropout)
        perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.perceptron = PreNorm(width, perceptron, dropout)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Map float (N, T, width) and bool (N, T), true where there are tokens, to float (N, T, width)."""
        return self.perceptron(features + self.dropout(self.attention(self.norm(features), mask)))


class Transformer(SequenceNetwork):
    """Layers over token and position embeddings; for the whole sequence the mean over its tokens.

    Args:
        max_length: positions that have an embedding; longer batches raise ValueError.
        width: a multiple of `heads`.
    """

    def __init__(
        self,
        num_tokens: int,
        num_outputs: int,
        readout: str = "whole",
        *,
        max_length: int,
        width: int = 96,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(num_tokens, num_outputs, readout, embedding=width, features=width, dropout=dropout)
        self.max_length = max_length
        self.positions = nn.Parameter(0.02 * torch.randn(max_length, width))
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def encode(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Map float (N, T, width) to the same shape; every token has looked at all tokens of its sequence."""
        steps = embedded.shape[1]
        if steps > self.max_length:
            raise ValueError(f"A sequence of {steps} tokens is longer than max_length={self.max_length}.")
        features, mask = embedded + self.positions[:steps], valid(lengths, steps)
        for layer in self.layers:
            features = layer(features, mask)
        return self.norm(features)
