"""A weight as it is kept: codes, scales and zero points, from which the float weight is made when it is needed."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.quantization.arithmetic.granularity import Granularity, PerChannel, PerGroup
from runner.compression.quantization.arithmetic.grid import Grid
from runner.compression.quantization.arithmetic.parameters import Parameters
from runner.compression.quantization.arithmetic.rounding import dequantize
from runner.compression.quantization.weights.packing import pack, packed_bytes, unpack

# Below this float16 has fewer digits, so that scales would no longer be exact to 2^-11.
SMALLEST_HALF = torch.finfo(torch.float16).smallest_normal


class StoredWeight(nn.Module, ABC):
    """What a layer keeps in place of its weight; calling it gives the weight.

    Attributes:
        shape: of the weight, (out, in) or (out, in / groups, kernel height, kernel width).
    """

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.shape = torch.Size(shape)

    @abstractmethod
    def forward(self) -> Tensor:
        """Return the weight as float32, of shape `shape`."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Plain values from which `restored` makes it again, together with the file's tensors."""

    def tensors(self) -> dict[str, Tensor]:
        """Return what its file holds."""
        return dict(self.named_buffers())

    @classmethod
    @abstractmethod
    def restored(cls, shape: torch.Size, settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "StoredWeight":
        """Return the weight that `settings` and `tensors` came from.

        ValueError or KeyError where they don't fit `shape`.
        """


class PackedWeight(StoredWeight):
    """Linear codes of 2, 4 or 8 bits.

    8 bits are signed and symmetric (int8 in the weight's shape, flattened to (out, in)), as integer products take
    them; fewer are unsigned with a zero point, as weights of one sign need it, and packed (uint8, flat). Scales are
    float16 for groups, where float16 holds them well, and float32 for channels.
    """

    codes: Tensor
    scale: Tensor
    zero_point: Tensor | None

    def __init__(
        self,
        shape: torch.Size,
        bits: int,
        group_size: int | None,
        codes: Tensor,
        scale: Tensor,
        zero_point: Tensor | None,
    ) -> None:
        super().__init__(shape)
        self.bits, self.group_size = bits, group_size
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)
        self.register_buffer("zero_point", zero_point)

    @classmethod
    def of(cls, codes: Tensor, parameters: Parameters) -> "PackedWeight":
        """Pack `codes`, in the weight's shape, with parameters per channel or per group (see `grid_of`)."""
        layout, bits = parameters.granularity, parameters.grid.bits
        size = layout.size if isinstance(layout, PerGroup) else None
        scale = parameters.scale.to(scale_dtype(parameters.scale, size))
        if bits == 8:
            return cls(codes.shape, bits, size, codes.flatten(1).contiguous(), scale, None)
        return cls(codes.shape, bits, size, pack(codes, bits), scale, pack(parameters.zero_point, bits))

    @classmethod
    def restored(cls, shape: torch.Size, settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "PackedWeight":
        """See StoredWeight.restored."""
        bits, size = int(settings["bits"]), settings["group_size"]
        codes, scale, zero_point = tensors["codes"], tensors["scale"], tensors.get("zero_point")
        rows, blocks = shape[0], torch.Size(scale_shape(shape, size))
        whole = (
            codes.shape == (rows, shape[1:].numel())
            if bits == 8
            else codes.numel() == packed_bytes(shape.numel(), bits)
        )
        if not whole or scale.shape != blocks or (zero_point is None) != (bits == 8):
            raise ValueError(f"codes {tuple(codes.shape)} and scales {tuple(scale.shape)} for a weight {tuple(shape)}")
        return cls(shape, bits, size, codes, scale, zero_point)

    @property
    def settings(self) -> dict[str, Any]:
        """See StoredWeight.settings."""
        return {"bits": self.bits, "group_size": self.group_size}

    def forward(self) -> Tensor:
        """See StoredWeight.forward."""
        codes = self.codes if self.bits == 8 else unpack(self.codes, self.bits, self.shape.numel())
        return dequantize(codes.reshape(self.shape), self.parameters_of_codes())

    def parameters_of_codes(self) -> Parameters:
        """Scale and zero point of every block."""
        scale = self.scale.float()
        if self.zero_point is None:
            zero_point = torch.zeros_like(scale, dtype=torch.int32)
        else:
            zero_point = unpack(self.zero_point, self.bits, scale.numel()).reshape(scale.shape).to(torch.int32)
        return Parameters(grid_of(self.bits), layout_of(self.group_size), scale, zero_point)


def grid_of(bits: int) -> Grid:
    """Return the codes that weights of this width have."""
    return Grid(8, signed=True, symmetric=True, narrow=True) if bits == 8 else Grid(bits, signed=False)


def layout_of(group_size: int | None) -> Granularity:
    """Groups, or one scale for each output channel."""
    return PerChannel(0) if group_size is None else PerGroup(group_size)


def scale_shape(shape: torch.Size, group_size: int | None) -> tuple[int, ...]:
    """Return the shape of the scales of a weight of this shape."""
    return (shape[0],) if group_size is None else (shape[0], -(-shape[1:].numel() // group_size))


def scale_dtype(scale: Tensor, group_size: int | None) -> torch.dtype:
    """Return what scales are kept in: float32 for channels.

    Where they weigh nothing, and where float16 would lose digits.
    """
    fits = bool((scale >= SMALLEST_HALF).all()) and bool((scale <= torch.finfo(torch.float16).max).all())
    return torch.float16 if group_size is not None and fits else torch.float32


def as_stored(parameters: Parameters) -> Parameters:
    """Return the parameters with scales as exact as they are kept: codes must be chosen for these."""
    size = parameters.granularity.size if isinstance(parameters.granularity, PerGroup) else None
    scale = parameters.scale.to(scale_dtype(parameters.scale, size)).float()
    return Parameters(parameters.grid, parameters.granularity, scale, parameters.zero_point)
