"""torchao's quantizers for Inductor: x86, Arm and Intel GPUs."""

from dataclasses import replace
from typing import Any

import torch
from torchao.quantization.pt2e import FusedMovingAvgObsFakeQuantize, MinMaxObserver, MovingAverageMinMaxObserver
from torchao.quantization.pt2e.quantizer import QuantizationConfig, QuantizationSpec
from torchao.quantization.pt2e.quantizer import arm_inductor_quantizer as arm
from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86
from torchao.quantization.pt2e.quantizer import xpu_inductor_quantizer as xpu

from runner.compression.quantization.backends.observers import Numerics, activation_spec, weight_spec
from runner.compression.quantization.backends.part import Part

QUANTIZERS = {
    "x86": x86.X86InductorQuantizer,
    "arm": arm.ArmInductorQuantizer,
    "xpu": xpu.XPUInductorQuantizer,
}


def inductor_part(machine: str, numerics: Numerics, recipe: str) -> Part:
    """Return the quantizer for the kernels of a machine: x86, arm or xpu."""
    activation = activation_spec(numerics, recipe, torch.uint8 if machine == "x86" else torch.int8)
    weight = weight_spec(numerics, recipe)
    if machine == "arm":
        weight = _per_tensor(weight)
    config = QuantizationConfig(activation, activation, weight, None, recipe == "qat")
    quantizer = QUANTIZERS[machine]().set_global(config)
    return Part(recipe, quantizer, x86._X86InductorQuantizationAnnotation, activation, weight)


def _per_tensor(spec: QuantizationSpec) -> QuantizationSpec:
    """Return the same weight spec with one scale: Arm's kernels take no per-channel scales."""
    fake = FusedMovingAvgObsFakeQuantize.with_args(observer=MovingAverageMinMaxObserver, averaging_constant=1.0)
    observed = "FakeQuantize" not in repr(spec.observer_or_fake_quant_ctr)
    constructor: Any = MinMaxObserver if observed else fake
    return replace(
        spec,
        qscheme=torch.per_tensor_symmetric,
        ch_axis=None,
        observer_or_fake_quant_ctr=constructor.with_args(eps=2**-12),
    )
