"""A frozen Linear layer that keeps four bits a weight: NF4, made float again for each use."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from runner.compression.finetuning.projections import linear
from runner.compression.quantization.weights.packing import pack

# Between these normally distributed weights are about equally many (Dettmers et al. 2023, appendix E).
NEGATIVE = (-1, -0.69619280, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004)
POSITIVE = (0.07958030, 0.16093020, 0.24611230, 0.33791524, 0.44070983, 0.56261700, 0.72295684, 1)
LEVELS = torch.tensor((*NEGATIVE, 0, *POSITIVE))
# Of each byte the levels of its two codes: one look-up makes the weight without large intermediate results.
PAIRS = torch.cartesian_prod(LEVELS, LEVELS).flip(1)
# Weights with a scale in common: their largest magnitude.
BLOCK = 64


class FourBitLinear(nn.Linear):
    """float (…, in_features) to float (…, out_features); `weight` is float, made anew each time, and never trains.

    Four bits a weight and a float32 for each 64 of them: 4.5 bits. Scales are not quantized once more, as QLoRA's are.
    """

    codes: Tensor
    scales: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features, self.bias = layer.in_features, layer.out_features, layer.bias
        codes, scales = encode(layer.weight.detach())
        self.register_buffer("codes", codes)
        self.register_buffer("scales", scales)

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The rounded weight, (out_features, in_features)."""
        return decode(self.codes, self.scales, torch.Size((self.out_features, self.in_features)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the layer's outputs; their graph holds no float weight."""
        found: Tensor = _FrozenProduct.apply(inputs, self)
        return found if self.bias is None else found + self.bias

    def plain(self) -> nn.Linear:
        """Return the layer with its rounded weight in float."""
        return linear(self.weight, self.bias).train(self.training)


class _FrozenProduct(torch.autograd.Function):
    """Inputs times a weight that gets no gradient, and that forward and backward make anew."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, layer: FourBitLinear) -> Tensor:
        ctx.layer, ctx.dtype = layer, inputs.dtype
        return F.linear(inputs, layer.weight.to(inputs.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return (gradient @ ctx.layer.weight.to(gradient.dtype)).to(ctx.dtype), None


def encode(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return codes of whole blocks, two a byte, uint8 (bytes,), and the scale of each block float (blocks,)."""
    blocks = F.pad(weight.flatten(), (0, -weight.numel() % BLOCK)).view(-1, BLOCK)
    scales = blocks.abs().amax(dim=1)
    shares = blocks / scales.clamp(min=torch.finfo(weight.dtype).tiny)[:, None]
    levels = LEVELS.to(weight)
    return pack(torch.bucketize(shares, (levels[1:] + levels[:-1]) / 2), 4), scales


def decode(codes: Tensor, scales: Tensor, shape: torch.Size) -> Tensor:
    """Return the weight of a shape that `encode` was given, rounded to its levels."""
    blocks = F.embedding(codes.int(), PAIRS.to(scales)).view(-1, BLOCK)
    return blocks.mul_(scales[:, None]).flatten()[: shape.numel()].view(shape)


def rounded(weight: Tensor) -> Tensor:
    """Return a weight as a four-bit layer would have it."""
    return decode(*encode(weight.detach()), weight.shape)
