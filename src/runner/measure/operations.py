"""Multiply-accumulates of a network: all of them, and those of each layer."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.backends import mha, mkldnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from runner.measure import nested
from runner.measure.formulas import FORMULAS, Formula

EVERYTHING = ""


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
    training = [module for module in network.modules() if module.training]
    counter = operation_counter()
    try:
        with torch.no_grad(), _plain_operators(), counter:
            network.eval()(inputs)
    finally:
        for module in training:
            module.training = True
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
