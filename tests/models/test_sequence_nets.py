"""Sequence networks: sizes as published, padding without influence, and every fast form equal to its plain one."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from runner.models.mamba import mamba, scan, selective_scan
from runner.models.mamba2 import mamba2, state_space_dual
from runner.models.recurrent import Recurrent
from runner.models.rnn import PlainRNN, SteppedRNN
from runner.models.sequence import NgramEmbedding, causal_convolution, lengths_of, one_hot
from runner.models.transformer import SelfAttention, Transformer, attention
from runner.models.ttt import CHUNK, inner_gradient, train_while_reading, ttt_linear

ASCII, COUNTRIES, LONGEST = 128, 18, 20
NETWORKS = {
    "rnn_cell": lambda readout: SteppedRNN(ASCII, COUNTRIES, readout),
    "rnn": lambda readout: PlainRNN(ASCII, COUNTRIES, readout),
    "embedding_rnn": lambda readout: Recurrent(ASCII, COUNTRIES, readout, cell="rnn", bidirectional=False),
    "gru": lambda readout: Recurrent(ASCII, COUNTRIES, readout, cell="gru", embedding=12, hidden=10),
    "ngram_gru": lambda readout: Recurrent(ASCII, COUNTRIES, readout, embedding=12, hidden=10, ngrams=3),
    "lstm": lambda readout: Recurrent(ASCII, COUNTRIES, readout, cell="lstm", embedding=12, hidden=10),
    "transformer": lambda readout: Transformer(ASCII, COUNTRIES, readout, max_length=LONGEST, width=16),
    "mamba": lambda readout: mamba(ASCII, COUNTRIES, readout, width=16),
    "mamba2": lambda readout: mamba2(ASCII, COUNTRIES, readout, width=16),
    "ttt_linear": lambda readout: ttt_linear(ASCII, COUNTRIES, readout, width=16),
}


def batch(*lengths: int) -> torch.Tensor:
    """Random letters, padded to the longest."""
    tokens = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, length in enumerate(lengths):
        tokens[row, :length] = torch.randint(65, 123, (length,))
    return tokens


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_teaching_networks_have_the_sizes_of_their_source():
    assert count(SteppedRNN(4, 4)) == count(PlainRNN(4, 4)) == 40
    small = Recurrent(4, 4, "each", cell="rnn", embedding=10, hidden=8, bidirectional=False)
    assert count(small) == 40 + (80 + 64 + 16) + (64 + 64 + 16) + 36
    gru = Recurrent(128, 18)
    assert count(gru.embedding) == 128 * 100
    assert count(gru.body) == 2 * (300 * 200 + 600) + 2 * (300 * 300 + 600)
    assert count(gru) == 12_800 + 302_400 + 201 * 18


@pytest.mark.parametrize("readout", ["whole", "each"])
@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_no_logit(name, readout):
    network = NETWORKS[name](readout).eval()
    lengths = (LONGEST, 7, 1, 13)
    tokens = batch(*lengths)
    together = network(tokens)
    assert together.shape == ((4, COUNTRIES) if readout == "whole" else (4, LONGEST, COUNTRIES))
    assert torch.equal(network(tokens, torch.tensor(lengths)), together)
    for row, length in enumerate(lengths):
        alone = network(tokens[row : row + 1, :length])
        same = together[row : row + 1] if readout == "whole" else together[row : row + 1, :length]
        torch.testing.assert_close(alone, same, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_order_of_tokens_matters_and_every_parameter_learns(name):
    network = NETWORKS[name]("whole").eval()
    tokens = batch(9, 9)
    assert not torch.allclose(network(tokens), network(tokens.flip(1)), atol=1e-6)
    F.cross_entropy(network(tokens), torch.tensor([0, 1])).backward()
    without = [key for key, each in network.named_parameters() if each.grad is None or not each.grad.abs().sum()]
    assert not without


def test_an_ngram_is_told_by_its_tokens_wherever_it_stands():
    embed = NgramEmbedding(ASCII, 6, longest=3)
    tokens = torch.tensor([[70, 65, 66, 67, 71], [65, 66, 67, 0, 0], [67, 66, 65, 0, 0]])
    embedded = embed(tokens)
    torch.testing.assert_close(embedded[0, 3], embedded[1, 2])
    assert not torch.allclose(embedded[0, 1], embedded[1, 0])  # the pair before it is another
    assert not torch.allclose(embedded[0, 3], embedded[2, 0])
    single = NgramEmbedding(ASCII, 6)
    assert torch.equal(single(tokens), single.token(tokens))


def test_lengths_are_counted_and_nothing_at_all_is_one_token():
    assert lengths_of(torch.tensor([[5, 6, 0], [7, 0, 0], [0, 0, 0]])).tolist() == [2, 1, 1]


def test_one_hot_gives_padding_no_column_and_the_last_token_the_first():
    assert one_hot(torch.tensor([[1, 4, 0]]), 4).tolist() == [[[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]]


def test_stepping_by_hand_equals_the_library():
    stepped, plain = SteppedRNN(4, 4), PlainRNN(4, 4)
    state = {name.replace("cell.", "rnn.") + "_l0": value for name, value in stepped.state_dict().items()}
    plain.load_state_dict(state)
    tokens = torch.tensor([[2, 1, 3, 3, 4]])
    torch.testing.assert_close(stepped(tokens), plain(tokens))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_form_that_can_be_captured_equals_packed_sequences(cell, bidirectional, monkeypatch):
    network = Recurrent(ASCII, 5, cell=cell, embedding=6, hidden=7, bidirectional=bidirectional).eval()
    lengths = torch.tensor([9, 1, 4])
    embedded = torch.randn(3, 9, 6)
    packed, plain = network.encode(embedded, lengths), network.unrolled(embedded, lengths)
    whole = network.summarize(embedded, lengths)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(network.summarize(embedded, lengths), whole)
    assert whole.abs().sum() > 0
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(plain[row, :length], packed[row, :length])


def test_attention_equals_torchs():
    queries, keys, values = torch.randn(3, 2, 4, 6, 8)
    mask = torch.arange(6) < torch.tensor([6, 2])[:, None]
    mask = mask[:, None, None, :]
    wanted = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    torch.testing.assert_close(attention(queries, keys, values, mask), wanted)


def test_self_attention_equals_torchs_module():
    ours, torchs = SelfAttention(8, 2), nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        layers = (ours.query, ours.key, ours.value)
        torchs.in_proj_weight.copy_(torch.cat([each.weight for each in layers]))
        torchs.in_proj_bias.copy_(torch.cat([each.bias for each in layers]))
        torchs.out_proj.load_state_dict(ours.output.state_dict())
    features, mask = torch.randn(3, 5, 8), torch.arange(5) < torch.tensor([5, 1, 3])[:, None]
    wanted, _ = torchs(features, features, features, key_padding_mask=~mask)
    torch.testing.assert_close(ours(features, mask), wanted)


def test_a_transformer_refuses_more_tokens_than_it_has_positions():
    with pytest.raises(ValueError, match="21 tokens is longer than max_length=20"):
        NETWORKS["transformer"]("whole")(batch(LONGEST + 1))


def test_convolution_by_shifts_equals_a_depthwise_one():
    features, weight, bias = torch.randn(2, 9, 5), torch.randn(5, 4), torch.randn(5)
    wanted = F.conv1d(F.pad(features.transpose(1, 2), (3, 0)), weight.unsqueeze(1), bias, groups=5).transpose(1, 2)
    torch.testing.assert_close(causal_convolution(features, weight, bias), wanted)


@pytest.mark.parametrize("steps", [1, 2, 7, 8, 19])
def test_scanning_in_parallel_equals_stepping(steps):
    decay, inputs = torch.rand(2, steps, 3), torch.randn(2, steps, 3)
    state, wanted = torch.zeros(2, 3), []
    for t in range(steps):
        state = decay[:, t] * state + inputs[:, t]
        wanted.append(state)
    torch.testing.assert_close(scan(decay, inputs, chunk=8), torch.stack(wanted, 1))


def test_a_selective_scan_equals_its_recurrence():
    n, steps, width, size = 2, 11, 3, 4
    inputs, step = torch.randn(n, steps, width), torch.rand(n, steps, width)
    a, b, c = -torch.rand(width, size), torch.randn(n, steps, size), torch.randn(n, steps, size)
    state, wanted = torch.zeros(n, width, size), []
    for t in range(steps):
        state = torch.exp(step[:, t, :, None] * a) * state
        state = state + step[:, t, :, None] * b[:, t, None, :] * inputs[:, t, :, None]
        wanted.append((state * c[:, t, None, :]).sum(2))
    torch.testing.assert_close(selective_scan(inputs, step, a, b, c), torch.stack(wanted, 1))


@pytest.mark.parametrize("steps", [1, 4, 11])
def test_state_space_duality_equals_its_recurrence(steps):
    n, heads, width, size = 2, 3, 5, 4
    inputs, log_decay = torch.randn(n, steps, heads, width), -torch.rand(n, steps, heads)
    b, c = torch.randn(n, steps, size), torch.randn(n, steps, size)
    state, wanted = torch.zeros(n, heads, width, size), []
    for t in range(steps):
        state = torch.exp(log_decay[:, t])[:, :, None, None] * state
        state = state + inputs[:, t, :, :, None] * b[:, t, None, None, :]
        wanted.append((state * c[:, t, None, None, :]).sum(3))
    torch.testing.assert_close(state_space_dual(inputs, log_decay, b, c, chunk=4), torch.stack(wanted, 1))


def inner_model(x, weight, bias, scale, shift):
    """f(x) = x + scale * norm(x W + b) + shift, written with torch's layer norm."""
    return x + scale * F.layer_norm(x @ weight + bias, x.shape[-1:], eps=1e-6) + shift


def test_the_inner_gradient_is_the_derivative_of_the_inner_loss():
    answer, goal, scale, shift = torch.randn(4, 3, 6)
    answer.requires_grad_(True)
    loss = (scale * F.layer_norm(answer, (6,), eps=1e-6) + shift - goal).square().sum() / 2
    loss.backward()
    torch.testing.assert_close(inner_gradient(answer.detach(), goal, scale, shift), answer.grad)


def test_test_time_training_equals_gradient_descent_token_by_token():
    size, steps = 4, CHUNK + 3
    queries, keys, values = torch.randn(3, steps, size)
    rates = 0.1 * torch.rand(steps, 1)
    weight, bias = torch.randn(size, size), torch.randn(1, size)
    scale, shift = torch.rand(1, size), torch.randn(1, size)
    inner = tuple(each.unsqueeze(0) for each in (weight, bias, scale, shift))
    parts = (each[None, None] for each in (queries, keys, values, rates))
    fast = train_while_reading(*parts, inner)[0, 0]

    wanted, begun = [], (weight, bias)
    for t in range(steps):
        if t % CHUNK == 0:  # gradients are taken where the mini-batch began
            begun = (weight, bias)
        leaves = [each.clone().requires_grad_(True) for each in begun]
        loss = (inner_model(keys[t : t + 1], *leaves, scale, shift) - values[t]).square().sum() / 2
        by_weight, by_bias = torch.autograd.grad(loss, leaves)
        weight, bias = weight - rates[t] * by_weight, bias - rates[t] * by_bias
        wanted.append(inner_model(queries[t : t + 1], weight, bias, scale, shift)[0])
    torch.testing.assert_close(fast, torch.stack(wanted), rtol=1e-4, atol=1e-4)


def test_long_sequences_stay_finite():
    tokens = batch(400)
    for name in ("mamba", "mamba2", "ttt_linear"):
        assert torch.isfinite(NETWORKS[name]("each").eval()(tokens)).all(), name


def test_wrong_settings_are_told():
    with pytest.raises(ValueError, match="cell='gnu': must be one of rnn, gru, lstm"):
        Recurrent(4, 4, cell="gnu")
    with pytest.raises(ValueError, match="width=10 is no multiple of heads=4"):
        Transformer(4, 4, max_length=5, width=10)
    with pytest.raises(ValueError, match="readout='none': must be one of whole, each"):
        mamba(4, 4, "none")
    with pytest.raises(ValueError, match="twice width=9 is no multiple of heads=4"):
        mamba2(4, 4, width=9)
