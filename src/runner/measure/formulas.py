"""Multiply-accumulates of single operators of ATen, from the shapes of what they take and give."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.backends import mha, mkldnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from runner.measure import nested
from runner.measure.modes import evaluating

_ATEN = torch.ops.aten
# From an operator's arguments as they are, and its output, to the multiply-accumulates of the whole batch.
Formula = Callable[[Sequence[Any], Any], int]
EVERYTHING = ""


def size(value: Any) -> int:
    """Return the number of elements of a tensor, symbolic sizes of a trace at their example value."""
    return prod(length(each) for each in value.shape)


def length(value: Any) -> int:
    """Return a length, a symbolic one of a trace at its example value."""
    return value if isinstance(value, int) else int(value.node.hint)


def convolution(arguments: Sequence[Any], output: Any) -> int:
    """Every output is a sum over the kernel and the inputs of its group; weight (out, in a group, *kernel)."""
    return size(output) * size(arguments[1]) // length(arguments[1].shape[0])


def transposed_convolution(arguments: Sequence[Any], output: Any) -> int:
    """Every input is spread over the kernel and the outputs of its group; weight (in, out a group, *kernel)."""
    return size(arguments[0]) * size(arguments[1]) // length(arguments[1].shape[0])


def any_convolution(arguments: Sequence[Any], output: Any) -> int:
    """`aten.convolution`: its seventh argument says which of both it is."""
    return (transposed_convolution if arguments[6] else convolution)(arguments, output)


def convolution_over_time(arguments: Sequence[Any], output: Any) -> int:
    """`aten.conv_tbc`: weight (kernel, in, out)."""
    return size(output) * size(arguments[1]) // length(arguments[1].shape[2])


def product(arguments: Sequence[Any], output: Any) -> int:
    """Every output is a sum over the last dimension of the first factor."""
    return size(output) * length(arguments[0].shape[-1])


def added_product(arguments: Sequence[Any], output: Any) -> int:
    """A product of arguments 1 and 2, added to argument 0."""
    return size(output) * length(arguments[1].shape[-1])


def added_products(arguments: Sequence[Any], output: Any) -> int:
    """`aten.addbmm`: the products of a batch, all added up."""
    return size(output) * length(arguments[1].shape[0]) * length(arguments[1].shape[-1])


def outer_product(arguments: Sequence[Any], output: Any) -> int:
    """`aten.addr`: one multiplication and addition for each output."""
    return size(output)


def bilinear(arguments: Sequence[Any], output: Any) -> int:
    """Two inputs and a weight (out, left, right): every output is a sum over all pairs."""
    return size(output) * size(arguments[2]) // length(arguments[2].shape[0])


def attention(arguments: Sequence[Any], output: Any) -> int:
    """Query (…, L, E), key (…, S, E), value (…, S, V): both products in full, whatever a mask hides."""
    query, key, value = arguments[:3]
    steps = length(key.shape[-2])
    return size(query) * steps + size(query) // length(query.shape[-1]) * steps * length(value.shape[-1])


def multi_head_attention(arguments: Sequence[Any], output: Any) -> int:
    """`aten._native_multi_head_attention`: four projections of (N, L, E), and attention between them."""
    query, key, value = arguments[:3]
    projected = 2 * size(query) + size(key) + size(value)
    return projected * length(query.shape[-1]) + 2 * size(query) * length(key.shape[1])


def encoder_layer(arguments: Sequence[Any], output: Any) -> int:
    """`aten._transformer_encoder_layer_fwd`: (N, L, E) through every matrix, and attention between the steps."""
    source = arguments[0]
    steps = size(source) // length(source.shape[-1])
    weights = sum(size(each) for each in arguments if isinstance(each, Tensor) and each.dim() == 2)
    return steps * weights + 2 * size(source) * length(source.shape[1])


def recurrent(arguments: Sequence[Any], output: Any) -> int:
    """Inputs (N, T, F), (T, N, F) or packed (all steps, F): every matrix once a step, projections included."""
    inputs, weights = arguments[0], _weights_of(arguments)
    steps = size(inputs) // length(inputs.shape[-1])
    return steps * sum(size(each) for each in weights if each.dim() == 2)


def cell(arguments: Sequence[Any], output: Any) -> int:
    """One step of a recurrent cell: inputs (N, F), a state, and both matrices."""
    inputs = arguments[0]
    return size(inputs) // length(inputs.shape[-1]) * (size(arguments[2]) + size(arguments[3]))


def onednn_recurrent(arguments: Sequence[Any], output: Any) -> int:
    """`aten.mkldnn_rnn_layer`: inputs (T, N, F) and both matrices of one layer and direction."""
    return cell((arguments[0], None, *arguments[1:3]), output)


def weighted_bags(arguments: Sequence[Any], output: Any) -> int:
    """`aten.embedding_bag` with a weight for each index: rows are multiplied and added up; else only added up."""
    weights = arguments[6] if len(arguments) > 6 else None
    return 0 if weights is None else size(weights) * length(arguments[0].shape[-1])


FORMULAS: dict[Any, Formula] = {
    **dict.fromkeys(
        (_ATEN.conv1d, _ATEN.conv2d, _ATEN.conv3d, _ATEN._conv_depthwise2d, _ATEN.mkldnn_convolution), convolution
    ),
    **dict.fromkeys((_ATEN.conv_transpose1d, _ATEN.conv_transpose2d, _ATEN.conv_transpose3d), transposed_convolution),
    **dict.fromkeys((_ATEN.convolution, _ATEN._convolution, _ATEN.convolution_overrideable), any_convolution),
    _ATEN.conv_tbc: convolution_over_time,
    **dict.fromkeys(
        (_ATEN.linear, _ATEN.matmul, _ATEN.mm, _ATEN.bmm, _ATEN.mv, _ATEN.dot, _ATEN.vdot, _ATEN._int_mm), product
    ),
    **dict.fromkeys((_ATEN.addmm, _ATEN.baddbmm, _ATEN.addmv, _ATEN._addmm_activation), added_product),
    _ATEN.addbmm: added_products,
    _ATEN.addr: outer_product,
    _ATEN.bilinear: bilinear,
    **dict.fromkeys(
        (
            _ATEN.scaled_dot_product_attention,
            _ATEN._scaled_dot_product_attention_math,
            _ATEN._scaled_dot_product_flash_attention,
            _ATEN._scaled_dot_product_flash_attention_for_cpu,
            _ATEN._scaled_dot_product_efficient_attention,
            _ATEN._scaled_dot_product_cudnn_attention,
            _ATEN._scaled_dot_product_fused_attention_overrideable,
        ),
        attention,
    ),
    _ATEN._native_multi_head_attention: multi_head_attention,
    _ATEN._transformer_encoder_layer_fwd: encoder_layer,
    **dict.fromkeys((_ATEN.lstm, _ATEN.gru, _ATEN.rnn_tanh, _ATEN.rnn_relu), recurrent),
    **dict.fromkeys((_ATEN.lstm_cell, _ATEN.gru_cell, _ATEN.rnn_tanh_cell, _ATEN.rnn_relu_cell), cell),
    _ATEN.mkldnn_rnn_layer: onednn_recurrent,
    **dict.fromkeys((_ATEN.embedding_bag, _ATEN._embedding_bag, _ATEN._embedding_bag_forward_only), weighted_bags),
}


def _weights_of(arguments: Sequence[Any]) -> Sequence[Any]:
    """Return the parameters of a recurrent operator: the last list of tensors (the one before is LSTM's state)."""
    lists = [each for each in arguments if isinstance(each, (list, tuple)) and each and isinstance(each[0], Tensor)]
    return lists[-1]


def multiply_accumulates(network: nn.Module, inputs: Any) -> int:
    """Count multiply-accumulates of one sample through `network`: convolutions and matrix products, nothing else.

    Exact for the shapes of `inputs`, a batch (N, …). Additions of biases, activations, pooling and normalization are
    not counted, as is customary.
    """
    return multiply_accumulates_by_layer(network, inputs)[EVERYTHING]


def multiply_accumulates_by_layer(network: nn.Module, inputs: Any) -> dict[str, int]:
    """Count them for every module by its name, what is inside it included; the whole network is the empty name.

    Modules without any are left out, and a module that runs several times counts every time. The network runs once, in
    evaluation mode, and is left in the mode it was in.
    """
    counter = operation_counter()
    with evaluating(network), torch.no_grad(), _plain_operators(), counter:
        network(inputs)
    root = type(network).__name__
    found = {EVERYTHING: counter.get_total_flops()}
    for name, operators in counter.get_flop_counts().items():
        if name.startswith(f"{root}."):
            found[name.removeprefix(f"{root}.")] = sum(operators.values())
    return {name: count // 2 // nested.samples(inputs) for name, count in found.items()}


def operation_counter() -> FlopCounterMode:
    """Return torch's counter of operations, two for each multiply-accumulate, which knows our formulas as well."""
    ours = {target: _counted(formula) for target, formula in FORMULAS.items() if target not in flop_registry}
    return FlopCounterMode(display=False, custom_mapping=ours)


def _counted(formula: Formula) -> Callable[..., int]:
    def operations(*arguments: Any, out_val: Any = None, **named: Any) -> int:
        return 2 * formula(arguments, out_val)

    operations._get_raw = True  # type: ignore[attr-defined]
    return operations


@contextmanager
def _plain_operators() -> Iterator[None]:
    """Run no operator that the counter has no formula for: fused attention, oneDNN's recurrent cells."""
    fast = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="TF32 acceleration")  # of Intel GPUs, wherever a flag is set
            with sdpa_kernel(SDPBackend.MATH), mkldnn.flags(enabled=False):
                yield
    finally:
        mha.set_fastpath_enabled(fast)
