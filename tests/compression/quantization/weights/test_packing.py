"""Codes of 2 and 4 bits share bytes and come back exactly."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.compression.quantization.weights.packing import pack, packed_bytes, unpack
from runner.errors import RunnerError


@settings(max_examples=100)
@given(st.sampled_from([2, 4, 8]), st.data())
def test_any_number_of_codes_comes_back_exactly_from_the_fewest_bytes(bits: int, data: st.DataObject) -> None:
    codes = torch.tensor(data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=33)), dtype=torch.uint8)
    packed = pack(codes, bits)
    assert packed.dtype == torch.uint8
    assert packed.numel() == packed_bytes(codes.numel(), bits) == -(-codes.numel() * bits // 8)
    assert torch.equal(unpack(packed, bits, codes.numel()), codes)


def test_the_first_code_lies_in_the_lowest_bits() -> None:
    assert pack(torch.tensor([[1, 2], [3, 0], [2, 0]]), 2).tolist() == [1 + 2 * 4 + 3 * 16, 2]
    assert pack(torch.tensor([10, 3, 15]), 4).tolist() == [10 + 3 * 16, 15]


@pytest.mark.parametrize("bits", [1, 3, 5, 6, 7, 16])
def test_widths_that_do_not_divide_a_byte_are_refused(bits: int) -> None:
    with pytest.raises(RunnerError, match=f"bits={bits}: weights are packed in 2, 4, 8 bits"):
        pack(torch.zeros(4), bits)
