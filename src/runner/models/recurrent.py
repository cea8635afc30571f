"""Embedding, RNN, GRU or LSTM in one or both directions, and a linear head."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from runner.models.sequence import SequenceNetwork, last, reverse

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Recurrent(SequenceNetwork):
    """A recurrent network over packed sequences; for the whole sequence both directions' last states are joined.

    Args:
        cell: "rnn" (Elman, 1990), "gru" (Cho et al., 2014) or "lstm" (Hochreiter and Schmidhuber, 1997).
        hidden: values of the state, in each direction.
    """

    def __init__(
        self,
        num_tokens: int,
        num_outputs: int,
        readout: str = "whole",
        *,
        cell: str = "gru",
        embedding: int = 100,
        hidden: int = 100,
        layers: int = 2,
        bidirectional: bool = True,
        ngrams: int = 1,
        dropout: float = 0.0,
    ) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell={cell!r}: must be one of {', '.join(CELLS)}.")
        features = hidden * (2 if bidirectional else 1)
        shared: dict[str, Any] = {"embedding": embedding, "features": features, "ngrams": ngrams}
        super().__init__(num_tokens, num_outputs, readout, **shared, dropout=dropout)
        self.cell, self.hidden = cell, hidden
        self.body = CELLS[cell](
            embedding,
            hidden,
            layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )

    def encode(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Map float (N, T, embedding) to the states (N, T, hidden), forward and backward side by side."""
        if torch.compiler.is_compiling():  # also while torch.export captures: it cannot follow packed sequences
            return self.unrolled(embedded, lengths)
        packed, _ = self.packed(embedded, lengths)
        return pad_packed_sequence(packed, batch_first=True, total_length=embedded.shape[1])[0]

    def summarize(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Return the forward state at the last token and the backward state at the first: float (N, features)."""
        if torch.compiler.is_compiling():
            states = self.unrolled(embedded, lengths)
            return torch.cat([last(states[:, :, : self.hidden], lengths), states[:, 0, self.hidden :]], 1)
        _, last_states = self.packed(embedded, lengths)
        final = last_states[0] if isinstance(last_states, tuple) else last_states  # an LSTM has a memory as well
        return torch.cat(list(final[-2 if self.body.bidirectional else -1 :]), 1)

    def packed(self, embedded: Tensor, lengths: Tensor) -> tuple[PackedSequence, Tensor | tuple[Tensor, Tensor]]:
        """Return the output of torch's network for packed sequences: all states, and the final ones."""
        sequences = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.body(sequences)

    def unrolled(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Compute the same as `encode`, step by step: the form that torch.export can follow.

        The backward direction runs over each sequence in reverse, so that no padding comes first.
        """
        features = embedded
        for layer in range(self.body.num_layers):
            states = self.direction(features, f"l{layer}")
            if self.body.bidirectional:
                backward = self.direction(reverse(features, lengths), f"l{layer}_reverse")
                states = torch.cat([states, reverse(backward, lengths)], 2)
            last_layer = layer == self.body.num_layers - 1
            features = states if last_layer else F.dropout(states, self.body.dropout, self.training)
        return features

    def direction(self, features: Tensor, suffix: str) -> Tensor:
        """Return one layer in one direction: float (N, T, D) to its states (N, T, hidden).

        The products with the inputs are one linear layer over all steps, which integer kernels exist for. Those with
        the state are plain products: Inductor packs no int8 weight that several steps share (torch 2.14).
        """
        names = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
        weight_ih, bias_ih, weight_hh, bias_hh = (getattr(self.body, f"{name}_{suffix}") for name in names)
        inputs = F.linear(features, weight_ih, bias_ih)
        state = memory = features.new_zeros(len(features), self.hidden)
        states = []
        for step in inputs.unbind(1):
            state, memory = STEPS[self.cell](step, state @ weight_hh.t() + bias_hh, state, memory)
            states.append(state)
        return torch.stack(states, 1)


def rnn_step(inputs: Tensor, recurrent: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Return h = tanh(W_ih x + W_hh h); `inputs` and `recurrent` are the two products (N, hidden)."""
    return torch.tanh(inputs + recurrent), memory


def gru_step(inputs: Tensor, recurrent: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Return h = (1 - z) n + z h, n = tanh(x_n + r h_n) (Cho et al., 2014); the products are (N, 3 hidden): r, z, n."""
    x_r, x_z, x_n = inputs.chunk(3, 1)
    h_r, h_z, h_n = recurrent.chunk(3, 1)
    update = torch.sigmoid(x_z + h_z)
    proposal = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
    return (1 - update) * proposal + update * state, memory


def lstm_step(inputs: Tensor, recurrent: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state h = o tanh(c) and the memory c = f c + i g (Hochreiter & Schmidhuber, 1997).

    `inputs` and `recurrent` are the two products (N, 4 hidden): i, f, g, o.
    """
    write, keep, proposal, show = (inputs + recurrent).chunk(4, 1)
    memory = torch.sigmoid(keep) * memory + torch.sigmoid(write) * torch.tanh(proposal)
    return torch.sigmoid(show) * torch.tanh(memory), memory


STEPS = {"rnn": rnn_step, "gru": gru_step, "lstm": lstm_step}
