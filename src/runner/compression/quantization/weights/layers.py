"""Linear and convolutional layers whose weights are stored in few bits."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from runner.compression.quantization.weights.stored import PackedWeight, StoredWeight
from runner.measure.machine import has_integer_dot_product

Dense = nn.Linear | nn.Conv2d
# aten._weight_int8pack_mm reads 16 aligned bytes at once: rows of another length end the process (torch 2.14.1).
KERNEL_INPUTS = 16


class CodedLayer(nn.Module):
    """A layer that makes its float weight anew at every call and computes in `activation` (float32, bfloat16, …).

    What comes out has the dtype that came in. `kernel` says what computes the product, `computes` what was asked for.
    """

    kernel = "float products"
    weight: StoredWeight
    bias: Tensor | None

    def __init__(self, dense: Dense, weight: StoredWeight, activation: torch.dtype) -> None:
        super().__init__()
        self.weight, self.activation = weight, activation
        self.computes = str(activation).removeprefix("torch.")
        self.register_buffer("bias", None if dense.bias is None else dense.bias.detach())
        self.requires_grad_(False)

    def operands(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs, weight and bias as the product takes them."""
        bias = None if self.bias is None else self.bias.to(self.activation)
        return inputs.to(self.activation), self.weight().to(self.activation), bias


class CodedLinear(CodedLayer):
    """In the place of an nn.Linear."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Float (…, in) -> (…, out)."""
        return functional.linear(*self.operands(inputs)).to(inputs.dtype)


class CodedConv2d(CodedLayer):
    """In the place of an nn.Conv2d of any stride, padding, dilation and number of groups."""

    def __init__(self, dense: nn.Conv2d, weight: StoredWeight, activation: torch.dtype) -> None:
        super().__init__(dense, weight, activation)
        self.stride, self.dilation, self.groups = dense.stride, dense.dilation, dense.groups
        self.padding_mode = "constant" if dense.padding_mode == "zeros" else dense.padding_mode
        borders = dense._reversed_padding_repeated_twice
        self.borders = [0] * len(borders) if dense.padding == "valid" else borders
        self.padding = (borders[2], borders[0])
        self.even = self.padding_mode == "constant" and borders[::2] == borders[1::2]

    def forward(self, images: Tensor) -> Tensor:
        """Float (N, in, H, W) -> (N, out, H', W')."""
        inputs, weight, bias = self.operands(images)
        if not self.even:  # more on one side than on the other, or not with zeros
            inputs = functional.pad(inputs, self.borders, mode=self.padding_mode)
        padding = self.padding if self.even else (0, 0)
        return functional.conv2d(inputs, weight, bias, self.stride, padding, self.dilation, self.groups).to(
            images.dtype
        )


class WeightInt8Linear(CodedLinear):
    """int8 weights against bfloat16 activations, without ever making a float weight (W8A16)."""

    kernel = "aten._weight_int8pack_mm"
    weight: PackedWeight

    def forward(self, inputs: Tensor) -> Tensor:
        """Float (…, in) -> (…, out); scales are rounded to bfloat16, as the kernel takes them."""
        stored = self.weight
        rows = inputs.to(torch.bfloat16).reshape(-1, inputs.shape[-1])
        outputs = torch._weight_int8pack_mm(rows, stored.codes, stored.scale.to(torch.bfloat16)).to(inputs.dtype)
        outputs = outputs if self.bias is None else outputs + self.bias.to(inputs.dtype)
        return outputs.unflatten(0, inputs.shape[:-1])


class IntegerLinear(CodedLinear):
    """int8 weights times int8 activations, summed in int32 (W8A8).

    Each row of the activations has a scale of its own, from its largest magnitude at the time of the call (dynamic,
    per token, symmetric: Yao et al., 2022, section 3.1).
    """

    kernel = "aten._int_mm"
    weight: PackedWeight

    def __init__(self, dense: Dense, weight: StoredWeight, activation: torch.dtype) -> None:
        super().__init__(dense, weight, activation)
        # Inductor makes one kernel of products that are scaled one after the other. Without an integer dot product it
        # adds up in 16 bits, which overflow, so that there the pattern is avoided.
        self.fused = has_integer_dot_product()

    def forward(self, inputs: Tensor) -> Tensor:
        """Float (…, in) -> (…, out)."""
        stored = self.weight
        rows = inputs.float().reshape(-1, inputs.shape[-1])
        scale = (rows.abs().amax(1, keepdim=True) / 127).clamp(min=torch.finfo(torch.float32).tiny)
        sums = torch._int_mm(torch.round(rows / scale).to(torch.int8), stored.codes.t())
        outputs = sums.float() * scale * stored.scale if self.fused else sums.float() * (scale * stored.scale)
        outputs = outputs if self.bias is None else outputs + self.bias
        return outputs.to(inputs.dtype).unflatten(0, inputs.shape[:-1])


def coded(dense: Dense, weight: StoredWeight, activation: str) -> CodedLayer:
    """Return the layer that takes the place of `dense`, by what its weight and its activations are.

    `activation`: float32, bfloat16, float16 or int8. Convolutions have no int8 product here: they compute in float32.
    """
    dtype = torch.float32 if activation == "int8" else getattr(torch, activation)
    layer = kind_of(dense, weight, activation)(dense, weight, dtype)
    layer.computes = activation
    return layer


def kind_of(
    dense: Dense, weight: StoredWeight, activation: str
) -> Callable[[Any, StoredWeight, torch.dtype], CodedLayer]:
    """Return the class of the layer that `coded` makes."""
    if isinstance(dense, nn.Conv2d):
        return CodedConv2d
    if isinstance(weight, PackedWeight) and weight.bits == 8 and weight.group_size is None:
        if activation == "int8":
            return IntegerLinear
        if activation == "bfloat16" and dense.in_features % KERNEL_INPUTS == 0:
            return WeightInt8Linear
    return CodedLinear
