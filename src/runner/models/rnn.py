"""Recurrent teaching networks whose hidden state is the answer: one stepped by hand, one by the library."""

import torch
from torch import Tensor, nn

from runner.models.sequence import last, lengths_of, one_hot

SMALL = 0.1


class SteppedRNN(nn.Module):
    """`nn.RNNCell` stepped by hand over one-hot tokens; the hidden state of `num_outputs` values is the logits.

    h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh) (Elman, 1990), h_0 = 0.
    """

    def __init__(self, num_tokens: int, num_outputs: int, readout: str = "each") -> None:
        super().__init__()
        self.num_tokens, self.readout = num_tokens, readout
        self.cell = nn.RNNCell(num_tokens, num_outputs)
        start_small(self.cell)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map int64 (N, T) to float (N, T, num_outputs), or (N, num_outputs) for the readout "whole"."""
        inputs = one_hot(tokens, self.num_tokens)
        state = inputs.new_zeros(len(tokens), self.cell.hidden_size)
        states = []
        for step in inputs.unbind(1):
            state = self.cell(step, state)
            states.append(state)
        return read_out(torch.stack(states, 1), tokens, lengths, self.readout)


class PlainRNN(nn.Module):
    """`nn.RNN` over one-hot tokens; the hidden state of `num_outputs` values is the logits. See `SteppedRNN`."""

    def __init__(self, num_tokens: int, num_outputs: int, readout: str = "each") -> None:
        super().__init__()
        self.num_tokens, self.readout = num_tokens, readout
        self.rnn = nn.RNN(num_tokens, num_outputs, batch_first=True)
        start_small(self.rnn)

    def forward(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map int64 (N, T) to float (N, T, num_outputs), or (N, num_outputs) for the readout "whole"."""
        states, _ = self.rnn(one_hot(tokens, self.num_tokens))
        return read_out(states, tokens, lengths, self.readout)


def read_out(states: Tensor, tokens: Tensor, lengths: Tensor | None, readout: str) -> Tensor:
    """Return hidden states (N, T, D) as they are, or for "whole" each sequence's last one (N, D)."""
    if readout == "each":
        return states
    return last(states, lengths_of(tokens) if lengths is None else lengths)


def start_small(recurrent: nn.Module) -> None:
    """Multiply torch's initial weights by SMALL and set the biases to zero.

    Logits that are hidden states lie between -1 and 1. From small weights all of them begin where tanh is steep: within
    15 steps 99 % of seeds learn "ohlol", from torch's own initial weights 72 %.
    """
    with torch.no_grad():
        for name, parameter in recurrent.named_parameters():
            parameter.mul_(0.0 if name.startswith("bias") else SMALL)
