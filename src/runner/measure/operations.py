"""Multiply-accumulates of a network: all of them, and those of each layer."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.backends import mha, mkldnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from runner.measure import nested

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
    counter = FlopCounterMode(display=False)
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
