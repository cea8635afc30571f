"""Multiply-accumulates of operators: by hand, and as torch's own counter has them where it knows the operator."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from runner.measure.formulas import FORMULAS

ATEN = torch.ops.aten
# operator, shapes of its tensors and other arguments, multiply-accumulates by hand
BY_HAND = [
    (ATEN.conv1d.default, [(2, 3, 9), (4, 3, 5)], 2 * 4 * 5 * 3 * 5),
    (ATEN.conv2d.default, [(2, 4, 6, 6), (8, 1, 3, 3), None, [1, 1], [1, 1], [1, 1], 4], 2 * 8 * 36 * 9),
    (ATEN.conv2d.default, [(1, 3, 8, 8), (5, 3, 3, 3), None, [2, 2], [0, 0], [2, 2], 1], 5 * 4 * 27),
    (ATEN.conv3d.default, [(1, 2, 4, 4, 4), (3, 2, 2, 2, 2)], 27 * 3 * 2 * 8),
    (ATEN.conv_transpose1d.default, [(2, 4, 5), (4, 3, 2)], 2 * 5 * 4 * 3 * 2),
    (ATEN.conv_transpose2d.input, [(1, 8, 3, 3), (8, 2, 2, 2), None, [2, 2]], 9 * 8 * 2 * 4),
    (ATEN.conv_transpose3d.input, [(1, 2, 3, 3, 3), (2, 4, 2, 2, 2)], 27 * 2 * 4 * 8),
    (ATEN.conv_tbc.default, [(7, 2, 3), (5, 3, 4), (4,)], 3 * 2 * 4 * 3 * 5),
    (ATEN.linear.default, [(6, 5, 7), (3, 7)], 30 * 3 * 7),
    (ATEN.mm.default, [(2, 3), (3, 4)], 24),
    (ATEN.mv.default, [(5, 3), (3,)], 15),
    (ATEN.dot.default, [(9,), (9,)], 9),
    (ATEN.bmm.default, [(6, 2, 3), (6, 3, 4)], 6 * 24),
    (ATEN.matmul.default, [(2, 3, 4, 5), (5, 6)], 24 * 5 * 6),
    (ATEN.addmm.default, [(4,), (2, 3), (3, 4)], 24),
    (ATEN.addmv.default, [(5,), (5, 3), (3,)], 15),
    (ATEN.baddbmm.default, [(6, 2, 4), (6, 2, 3), (6, 3, 4)], 6 * 24),
    (ATEN.addbmm.default, [(2, 4), (6, 2, 3), (6, 3, 4)], 6 * 24),
    (ATEN.addr.default, [(3, 4), (3,), (4,)], 12),
    (ATEN.scaled_dot_product_attention.default, [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 6)], 6 * 5 * 7 * (8 + 6)),
    (ATEN.gru_cell.default, [(3, 5), (3, 6), (18, 5), (18, 6)], 3 * 18 * 11),
    (ATEN.rnn_relu_cell.default, [(3, 5), (3, 6), (6, 5), (6, 6)], 3 * 6 * 11),
]


def tensor(value):
    return torch.empty(value, device="meta") if isinstance(value, tuple) else value


@pytest.mark.parametrize(("operator", "given", "expected"), BY_HAND, ids=[str(row[0]) for row in BY_HAND])
def test_an_operator_costs_what_it_does_by_hand(operator, given, expected):
    arguments = [tensor(each) for each in given]
    output = operator(*arguments)
    assert FORMULAS[operator.overloadpacket](arguments, output) == expected


@pytest.mark.parametrize(("operator", "given", "expected"), BY_HAND, ids=[str(row[0]) for row in BY_HAND])
def test_torchs_counter_agrees_where_it_knows_the_operator(operator, given, expected):
    with FlopCounterMode(display=False) as counter:
        operator(*(tensor(each) for each in given))
    unknown = (ATEN.mv, ATEN.dot, ATEN.addmv, ATEN.addbmm, ATEN.addr, ATEN.conv_tbc)
    if operator.overloadpacket in unknown:  # when it learns one of these, it leaves this list
        assert counter.get_total_flops() == 0 and operator.overloadpacket not in flop_registry
    elif operator.overloadpacket is not ATEN.scaled_dot_product_attention:  # which runs by the processor's kernel
        assert counter.get_total_flops() == 2 * expected


def recurrent(cells, layers, features, hidden, ways, projection=0):
    """Return the parameters of a recurrent operator without biases, on the meta device."""
    weights, width = [], features
    for _ in range(layers):
        for _ in range(ways):
            weights += [tensor((cells * hidden, width)), tensor((cells * hidden, projection or hidden))]
            weights += [tensor((projection, hidden))] if projection else []
        width = ways * (projection or hidden)
    return weights


@pytest.mark.parametrize(
    ("operator", "weights", "expected"),
    [
        (ATEN.lstm, recurrent(4, 1, 28, 24, 1), 4 * 24 * (28 + 24)),
        (ATEN.gru, recurrent(3, 1, 28, 24, 2), 2 * 3 * 24 * (28 + 24)),
        (ATEN.rnn_tanh, recurrent(1, 2, 28, 24, 1), 24 * (28 + 24) + 24 * (24 + 24)),
        (ATEN.lstm, recurrent(4, 2, 28, 24, 2), 2 * 96 * (28 + 24) + 2 * 96 * (48 + 24)),
        (ATEN.lstm, recurrent(4, 1, 28, 24, 1, 7), 96 * (28 + 7) + 7 * 24),
    ],
    ids=["LSTM", "both ways", "two layers", "two layers both ways", "projected"],
)
def test_a_recurrent_layer_costs_every_matrix_once_a_step(operator, weights, expected):
    state = [tensor((1, 3, 24)), tensor((1, 3, 24))]
    padded = [tensor((3, 8, 28)), state, weights, False, 1, 0.0, False, False, True]
    assert FORMULAS[operator](padded, None) == 3 * 8 * expected
    packed = [tensor((20, 28)), tensor((8,)), state, weights, False, 1, 0.0, False, False]
    assert FORMULAS[operator](packed, None) == 20 * expected


def test_bags_of_embeddings_multiply_only_by_weights_of_their_own():
    table, indices, offsets = tensor((10, 6)), tensor((9,)), tensor((3,))
    assert FORMULAS[ATEN.embedding_bag]([table, indices, offsets], None) == 0
    assert FORMULAS[ATEN.embedding_bag]([table, indices, offsets, False, 0, False, tensor((9,))], None) == 54


def test_fused_transformers_cost_their_layers_and_two_products():
    attention = [*[tensor((2, 5, 8))] * 3, 8, 2, tensor((24, 8)), tensor((24,)), tensor((8, 8)), tensor((8,))]
    assert FORMULAS[ATEN._native_multi_head_attention](attention, None) == 2 * (5 * 4 * 64 + 2 * 5 * 5 * 8)
    norms = [tensor((8,))] * 4
    layer = [tensor((2, 5, 8)), 8, 2, *attention[5:], True, False, 1e-5, *norms, tensor((16, 8)), None, tensor((8, 16))]
    assert FORMULAS[ATEN._transformer_encoder_layer_fwd](layer, None) == 2 * (5 * (4 * 64 + 256) + 2 * 5 * 5 * 8)
