"""What every sequence network shares: padded tokens in, logits out, for the whole sequence or for each token."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

READOUTS = ("whole", "each")


def lengths_of(tokens: Tensor) -> Tensor:
    """Tokens (N, T), 0 being padding on the right, to lengths int64 (N,); at least 1."""
    return (tokens != 0).sum(1).clamp(min=1)


def valid(lengths: Tensor, steps: int) -> Tensor:
    """bool (N, steps): True where a sequence has a token, False where it is padded."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def last(features: Tensor, lengths: Tensor) -> Tensor:
    """Features (N, T, D) at each sequence's last token: (N, D)."""
    index = (lengths - 1)[:, None, None].expand(-1, 1, features.shape[2])
    return features.gather(1, index).squeeze(1)


def mean(features: Tensor, lengths: Tensor) -> Tensor:
    """The mean of features (N, T, D) over each sequence's tokens: (N, D)."""
    mask = valid(lengths, features.shape[1]).unsqueeze(2)
    return (features * mask).sum(1) / lengths.unsqueeze(1)


def reverse(features: Tensor, lengths: Tensor) -> Tensor:
    """Features (N, T, D) with each sequence's tokens in reverse order; padding stays where it is."""
    steps = torch.arange(features.shape[1], device=features.device)
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return features.gather(1, index.unsqueeze(2).expand_as(features))


def one_hot(tokens: Tensor, num_tokens: int) -> Tensor:
    """Tokens (N, T) to float32 (N, T, num_tokens); token t is column t mod num_tokens, padding is zero."""
    columns = torch.arange(num_tokens, device=tokens.device)
    return ((tokens.unsqueeze(2) % num_tokens == columns) & (tokens.unsqueeze(2) != 0)).to(torch.float32)


class SequenceNetwork(nn.Module, ABC):
    """Embedding, a body that a subclass writes (`encode`), and a linear head.

    What stands in the padding reaches no logit: a sequence alone and in a padded batch has the same answer.

    Args:
        num_tokens: rows of the embedding; token t has row t mod num_tokens (padding, 0, needs none of its own).
        num_outputs: classes.
        readout: "whole" gives logits (N, num_outputs), "each" (N, T, num_outputs).
        embedding: width of the embedding.
        features: width of what `encode` returns; of `summary` as well.
        dropout: share of features left out, of the embedding and before the head.
    """

    def __init__(
        self,
        num_tokens: int,
        num_outputs: int,
        readout: str = "whole",
        *,
        embedding: int,
        features: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if readout not in READOUTS:
            raise ValueError(f"readout={readout!r}: must be one of {', '.join(READOUTS)}.")
        self.num_tokens, self.readout = num_tokens, readout
        self.embedding = nn.Embedding(num_tokens, embedding)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, num_outputs)

    @abstractmethod
    def encode(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Float (N, T, embedding) to float (N, T, features); padding must not reach a sequence's own steps."""

    def summary(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Float (N, T, features) of whole sequences to float (N, features): the mean over their tokens."""
        return mean(features, lengths)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """int64 (N, T), 0 being padding on the right -> float logits, see `readout`.

        `lengths` int64 (N,) from 1 to T; counted where they are not given.
        """
        lengths = lengths_of(tokens) if lengths is None else lengths
        embedded = self.dropout(self.embedding(tokens % self.num_tokens))
        features = self.encode(embedded, lengths)
        if self.readout == "whole":
            features = self.summary(features, lengths)
        return self.head(self.dropout(features))


class PreNorm(nn.Module):
    """x + dropout(block(norm(x))): how deep sequence networks are stacked (Xiong et al., 2020)."""

    def __init__(self, width: int, block: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.block, self.dropout = nn.LayerNorm(width), block, nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Float (N, T, width) -> the same shape."""
        return features + self.dropout(self.block(self.norm(features)))


def causal_convolution(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Depthwise: y_t = bias + sum_k weight[:, k] * x_{t - K + 1 + k}; features (N, T, D), weight (D, K).

    As K shifted products: for a short kernel faster on CPUs than a convolution with D groups.
    """
    kernel = weight.shape[1]
    padded = F.pad(features, (0, 0, kernel - 1, 0))
    total = bias
    for k in range(kernel):
        total = total + weight[:, k] * padded[:, k : k + features.shape[1]]
    return total
