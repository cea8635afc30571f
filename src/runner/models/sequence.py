"""Parts that every sequence network shares: padded tokens in, logits out, by sequence or by token."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

READOUTS = ("whole", "each")
# Hashes of n-grams: a multiplier, and a prime below which they stay.
PRIME, HASHES = 1_000_003, 2**31 - 1


def lengths_of(tokens: Tensor) -> Tensor:
    """Return the lengths int64 (N,), at least 1, of tokens (N, T), 0 being padding on the right."""
    return (tokens != 0).sum(1).clamp(min=1)


def valid(lengths: Tensor, steps: int) -> Tensor:
    """Return bool (N, steps): True where a sequence has a token, False where it is padded."""
    return torch.arange(steps, device=lengths.device) < lengths[:, None]


def last(features: Tensor, lengths: Tensor) -> Tensor:
    """Return features (N, T, D) at each sequence's last token: (N, D)."""
    index = (lengths - 1)[:, None, None].expand(-1, 1, features.shape[2])
    return features.gather(1, index).squeeze(1)


def mean(features: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean of features (N, T, D) over each sequence's tokens: (N, D)."""
    mask = valid(lengths, features.shape[1]).unsqueeze(2)
    return (features * mask).sum(1) / lengths.unsqueeze(1)


def reverse(features: Tensor, lengths: Tensor) -> Tensor:
    """Return features (N, T, D) with each sequence's tokens in reverse order; padding stays where it is."""
    steps = torch.arange(features.shape[1], device=features.device)
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return features.gather(1, index.unsqueeze(2).expand_as(features))


def one_hot(tokens: Tensor, num_tokens: int) -> Tensor:
    """Convert tokens (N, T) to float32 (N, T, num_tokens); token t is column t mod num_tokens, padding is zero."""
    columns = torch.arange(num_tokens, device=tokens.device)
    return ((tokens.unsqueeze(2) % num_tokens == columns) & (tokens.unsqueeze(2) != 0)).to(torch.float32)


class NgramEmbedding(nn.Module):
    """The sum of embeddings of a token and of the n-grams that end in it, n from 2 to `longest`.

    N-grams share `rows` rows of a table for each n by a hash (Weinberger et al., 2009; as in Bojanowski et al., 2017);
    what would begin before the first token counts as token 0.
    """

    def __init__(self, num_tokens: int, width: int, longest: int = 1, rows: int = 2**14) -> None:
        super().__init__()
        self.num_tokens, self.rows = num_tokens, rows
        self.token = nn.Embedding(num_tokens, width)
        tables = [nn.Embedding(rows, width) for _ in range(2, longest + 1)]
        for table in tables:
            nn.init.normal_(table.weight, std=0.1)
        self.ngrams = nn.ModuleList(tables)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map int64 (N, T) to float (N, T, width)."""
        embedded, code = self.token(tokens % self.num_tokens), tokens
        for n, table in enumerate(self.ngrams, 1):
            code = (code * PRIME + F.pad(tokens, (n, 0))[:, : tokens.shape[1]]) % HASHES
            embedded = embedded + table(code % self.rows)
        return embedded


class SequenceNetwork(nn.Module, ABC):
    """Embedding, a body that a subclass writes (`encode`), and a linear head.

    What stands in the padding reaches no logit: a sequence alone and in a padded batch has the same answer.

    Args:
        num_tokens: rows of the embedding; token t has row t mod num_tokens (padding, 0, needs none of its own).
        num_outputs: classes.
        readout: "whole" gives logits (N, num_outputs), "each" (N, T, num_outputs).
        embedding: width of the embedding; ngrams: see `NgramEmbedding.longest`.
        features: width of what `encode` and `summarize` return.
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
        ngrams: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if readout not in READOUTS:
            raise ValueError(f"readout={readout!r}: must be one of {', '.join(READOUTS)}.")
        self.readout = readout
        self.embedding = NgramEmbedding(num_tokens, embedding, ngrams)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, num_outputs)

    @abstractmethod
    def encode(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Map float (N, T, embedding) to float (N, T, features); padding must not reach a sequence's own steps."""

    def summarize(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Map float (N, T, embedding) to float (N, features) for the whole sequence: the mean over its tokens."""
        return mean(self.encode(embedded, lengths), lengths)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map int64 (N, T), 0 being padding on the right, to float logits, see `readout`.

        `lengths` int64 (N,) from 1 to T; counted where they are not given.
        """
        lengths = lengths_of(tokens) if lengths is None else lengths
        embedded = self.dropout(self.embedding(tokens))
        read = self.summarize if self.readout == "whole" else self.encode
        features = read(embedded, lengths)
        return self.head(self.dropout(features))


class PreNorm(nn.Module):
    """x + dropout(block(norm(x))): how deep sequence networks are stacked (Xiong et al., 2020)."""

    def __init__(self, width: int, block: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm, self.block, self.dropout = nn.LayerNorm(width), block, nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Map float (N, T, width) to the same shape."""
        return features + self.dropout(self.block(self.norm(features)))


def causal_convolution(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve by channel: y_t = bias + sum_k weight[:, k] * x_{t - K + 1 + k}; features (N, T, D), weight (D, K).

    As K shifted products: for a short kernel faster on CPUs than a convolution with D groups.
    """
    kernel = weight.shape[1]
    padded = F.pad(features, (0, 0, kernel - 1, 0))
    total = bias
    for k in range(kernel):
        total = total + weight[:, k] * padded[:, k : k + features.shape[1]]
    return total
