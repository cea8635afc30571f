"""Two or four codes in a byte."""

import torch
from torch import Tensor

from runner.errors import RunnerError

PACKED_WIDTHS = (2, 4, 8)


def pack(codes: Tensor, bits: int) -> Tensor:
    """Unsigned codes of `bits` (2, 4 or 8), of any shape and number, as uint8 (bytes,): the first in the lowest bits.

    The last byte is filled with zeros. Codes must be below 2^bits.
    """
    per_byte = 8 // check_width(bits)
    flat = codes.reshape(-1).to(torch.uint8)
    slots = torch.nn.functional.pad(flat, (0, -flat.numel() % per_byte)).view(-1, per_byte)
    packed = slots[:, 0].clone()
    for place in range(1, per_byte):
        packed |= slots[:, place] << bits * place
    return packed


def unpack(packed: Tensor, bits: int, count: int) -> Tensor:
    """Return the first `count` codes in `packed`, as uint8 (count,): exactly those that `pack` was given."""
    per_byte = 8 // check_width(bits)
    if per_byte == 1:
        return packed[:count]
    places = [(packed >> bits * place) & ((1 << bits) - 1) for place in range(per_byte)]
    return torch.stack(places, 1).flatten()[:count]


def packed_bytes(count: int, bits: int) -> int:
    """Return bytes that `count` codes take."""
    return -(-count * bits // 8)


def check_width(bits: int) -> int:
    """`bits`; RunnerError where a byte cannot be shared evenly by codes of this width."""
    if bits not in PACKED_WIDTHS:
        raise RunnerError(f"bits={bits}: weights are packed in {', '.join(map(str, PACKED_WIDTHS))} bits.")
    return bits
