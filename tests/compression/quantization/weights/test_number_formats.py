"""Networks in bfloat16 and float16: what the formats hold, what they cost and what is refused."""

import copy

import pytest
import torch

from runner.compression.quantization.weights.number_formats import (
    FormatRecipe,
    compare,
    number_format,
)
from runner.errors import RunnerError


def test_formats_are_what_torch_says() -> None:
    half, brain, int8 = (number_format(dtype) for dtype in (torch.float16, torch.bfloat16, torch.int8))
    assert (half.high, half.eps, half.smallest_normal) == (65504, 2**-10, 2**-14)
    assert (brain.eps, brain.smallest_normal) == (2**-7, 2**-126)
    assert brain.high == pytest.approx(3.39e38, rel=1e-2)
    assert (int8.low, int8.high, int8.bits) == (-128, 127, 8)


@pytest.mark.parametrize(("dtype", "title", "least"), [("bfloat16", "bf16", 35), ("float16", "fp16", 55)])
def test_half_the_bytes_float32_in_and_out_and_the_error_in_figures(dtype, title, least, mixed, pictures) -> None:
    small = FormatRecipe(dtype).apply(mixed, [pictures])
    error = compare(mixed, small, pictures)
    assert small.title == title
    assert small(pictures).dtype == torch.float32
    assert {each.dtype for each in small.network.parameters()} == {getattr(torch, dtype)}
    assert error.sqnr_db > least
    assert 0 < error.largest < 0.05
    assert error.bytes - 8 == (error.float_bytes - 8) / 2  # one int64 counter stays as it is
    assert f"at most {error.largest:.2g} off, SQNR {error.sqnr_db:.1f} dB" in small.proof()[1]


def test_what_the_format_can_hold_is_said(mixed) -> None:
    (line,) = FormatRecipe().apply(mixed).remarks
    assert line == "bfloat16 reaches from 1.18e-38 to 3.39e+38, the next number after 1 being 1.00781"


def test_the_network_that_was_given_stays_float32(mixed, pictures) -> None:
    FormatRecipe().apply(mixed)
    assert {each.dtype for each in mixed.parameters()} == {torch.float32}


def test_weights_beyond_float16_are_refused_by_name_and_bfloat16_takes_them(mixed) -> None:
    large = copy.deepcopy(mixed)
    large.fc.weight.data[0, 0] = 1e6
    with pytest.raises(RunnerError, match=r"fc\.weight.*quantization=bf16"):
        FormatRecipe("float16").apply(large)
    assert FormatRecipe().apply(large).title == "bf16"


def test_activations_beyond_float16_are_refused(mixed, pictures) -> None:
    with pytest.raises(RunnerError, match="activations leave the range of float16"):
        FormatRecipe("float16").apply(mixed, [pictures * 1e5])


def test_weights_that_vanish_are_told(mixed) -> None:
    tiny = copy.deepcopy(mixed)
    tiny.head.weight.data *= 1e-8
    remarks = FormatRecipe("float16").apply(tiny).remarks
    assert "100.0% of head.weight is too small for float16 and became 0" in remarks


def test_other_formats_are_refused() -> None:
    with pytest.raises(RunnerError, match="dtype=float8: must be one of bfloat16, float16"):
        FormatRecipe("float8")
