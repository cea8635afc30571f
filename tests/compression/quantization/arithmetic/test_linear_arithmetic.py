"""Linear quantization: exact laws for all widths and layouts, and equality with torch where torch has them."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import mse_loss

from runner.compression.quantization.arithmetic.granularity import Granularity, PerChannel, PerGroup
from runner.compression.quantization.arithmetic.grid import Grid
from runner.compression.quantization.arithmetic.parameters import Parameters, reaching, span
from runner.compression.quantization.arithmetic.rounding import dequantize, quantize
from runner.errors import RunnerError
from runner.measure.error import sqnr

INT8, UINT8 = Grid(8, signed=True), Grid(8, signed=False)
TORCH = {INT8: torch.qint8, UINT8: torch.quint8}

finite = st.floats(-(2.0**100), 2.0**100, width=32)
anything = st.floats(width=32)
grids = st.builds(Grid, st.integers(2, 8), st.booleans(), st.booleans(), st.booleans())
layouts = st.sampled_from([PerChannel(0), PerChannel(-1), PerGroup(1), PerGroup(3), PerGroup(8)])


@st.composite
def tensors(draw: st.DrawFn, values: st.SearchStrategy[float]) -> Tensor:
    """A weight (out, in, kernel) of at most 48 values; rows may be empty."""
    shape = draw(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 3)))
    count = math.prod(shape)
    drawn = draw(st.lists(values, min_size=count, max_size=count))
    return torch.tensor(drawn, dtype=torch.float32).reshape(shape)


def choose(tensor: Tensor, grid: Grid, granularity: Granularity) -> Parameters:
    """The parameters that reach from the lowest to the highest value of each block."""
    return reaching(*span(granularity.blocks(tensor)), grid, granularity)


def round_trip(tensor: Tensor, grid: Grid, layout: Granularity) -> tuple[Tensor, Parameters]:
    parameters = choose(tensor, grid, layout)
    return dequantize(quantize(tensor, parameters), parameters), parameters


@settings(max_examples=150)
@given(tensors(finite), grids, layouts)
def test_what_comes_back_is_within_half_a_step(tensor: Tensor, grid: Grid, layout: Granularity) -> None:
    back, parameters = round_trip(tensor, grid, layout)
    step = layout.spread(parameters.scale, tensor.shape)
    assert back.shape == tensor.shape
    assert ((back - tensor).abs() <= step * 0.5 + tensor.abs() * 2**-20).all()


@settings(max_examples=150)
@given(tensors(anything), grids, layouts)
def test_codes_and_zero_points_never_leave_the_grid_and_nothing_overflows(
    tensor: Tensor, grid: Grid, layout: Granularity
) -> None:
    parameters = choose(tensor, grid, layout)
    codes = quantize(tensor, parameters)
    assert codes.dtype == grid.dtype
    for integers in (codes, parameters.zero_point):
        assert ((integers >= grid.low) & (integers <= grid.high)).all()
    assert (parameters.scale > 0).all() and parameters.scale.isfinite().all()
    assert dequantize(codes, parameters).isfinite().all()


@settings(max_examples=100)
@given(tensors(anything), grids, layouts)
def test_zero_stays_exactly_zero(tensor: Tensor, grid: Grid, layout: Granularity) -> None:
    parameters = choose(tensor, grid, layout)
    assert (dequantize(quantize(torch.zeros_like(tensor), parameters), parameters) == 0).all()


@settings(max_examples=100)
@given(tensors(finite), st.sampled_from([INT8, UINT8]), st.floats(2.0**-20, 2.0**20, width=32), st.integers(0, 127))
def test_codes_equal_those_of_torch_per_tensor(tensor: Tensor, grid: Grid, scale: float, zero_point: int) -> None:
    one = torch.tensor([zero_point], dtype=torch.int32)
    parameters = Parameters(grid, PerChannel(0), torch.tensor([scale]), one)
    small = tensor.reshape(1, -1).clamp(-scale * 2**20, scale * 2**20)  # torch's own codes wrap around beyond 2^31
    theirs = torch.quantize_per_tensor(small, scale, zero_point, TORCH[grid])
    assert torch.equal(quantize(small, parameters), theirs.int_repr())
    assert torch.equal(dequantize(quantize(small, parameters), parameters), theirs.dequantize())


@pytest.mark.parametrize("grid", [INT8, UINT8], ids=["signed", "unsigned"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_codes_equal_those_of_torch_per_channel(grid: Grid, axis: int) -> None:
    tensor = torch.randn(5, 6, 7, generator=torch.Generator().manual_seed(axis))
    parameters = choose(tensor, grid, PerChannel(axis))
    scale, zero_point = parameters.scale, parameters.zero_point
    theirs = torch.quantize_per_channel(tensor, scale, zero_point, axis, TORCH[grid])
    assert torch.equal(quantize(tensor, parameters), theirs.int_repr())


def test_a_short_last_group_has_a_scale_of_its_own() -> None:
    weight = torch.tensor([[1.0, 1.0, 1.0, 8.0, 64.0]])
    parameters = choose(weight, Grid(4, symmetric=True), PerGroup(3))
    assert parameters.scale.shape == (1, 2)
    assert parameters.scale.tolist() == [[pytest.approx(1 / 7), pytest.approx(64 / 7)]]


def test_groups_follow_the_flattened_inputs_of_a_convolution() -> None:
    weight = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).reshape(2, 3, 2, 2) + 1
    parameters = choose(weight, Grid(8, symmetric=True), PerGroup(4))
    assert torch.allclose(parameters.scale * 127, weight.flatten(2).amax(2))


@pytest.mark.parametrize(("low", "high", "expected"), [(2.0, 6.0, 0), (-6.0, -2.0, 255), (-3.0, 3.0, 128)])
def test_the_zero_point_is_clipped_to_the_grid(low: float, high: float, expected: int) -> None:
    parameters = choose(torch.tensor([[low, high]]), UINT8, PerChannel())
    assert int(parameters.zero_point) == expected
    assert float(parameters.scale) == pytest.approx(6 / 255)


def test_asymmetric_codes_halve_the_error_of_values_of_one_sign() -> None:
    values = torch.rand(1, 1000, generator=torch.Generator().manual_seed(0))
    errors = [mse_loss(round_trip(values, Grid(4, symmetric=each), PerChannel())[0], values) for each in (True, False)]
    assert errors[0] > 4 * errors[1]


def test_each_bit_is_worth_six_decibels() -> None:
    values = torch.rand(1, 10_000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    decibels = [sqnr(values, round_trip(values, Grid(bits), PerChannel())[0]) for bits in range(3, 9)]
    assert all(5.5 < after - before < 7.5 for before, after in pairwise(decibels))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("value", [0.0, 3.7, -1e-30, 1e30])
def test_constant_tensors_come_back(value: float, symmetric: bool) -> None:
    tensor = torch.full((2, 3), value)
    for layout in (PerChannel(), PerGroup(2)):
        assert torch.allclose(round_trip(tensor, Grid(5, symmetric=symmetric), layout)[0], tensor, rtol=1e-6)


def test_empty_tensors_have_parameters_and_no_codes() -> None:
    for layout, shape in ((PerChannel(), (0,)), (PerGroup(4), (0, 1))):
        tensor = torch.empty(0, 3)
        back, parameters = round_trip(tensor, Grid(4), layout)
        assert back.shape == (0, 3) and parameters.scale.shape == shape


def test_values_that_are_not_finite_do_not_widen_the_range() -> None:
    tensor = torch.tensor([[1.0, -1.0, math.inf, -math.inf, math.nan]])
    back, parameters = round_trip(tensor, Grid(8, symmetric=True, narrow=True), PerChannel())
    assert float(parameters.scale) == pytest.approx(1 / 127)
    assert back[0].tolist() == pytest.approx([1, -1, 1, -1, 0])


def test_a_tensor_without_finite_values_comes_back_finite() -> None:
    back, _ = round_trip(torch.tensor([[math.nan, math.inf]]), Grid(8), PerChannel())
    assert back[0, 0] == 0 and back.isfinite().all()


@pytest.mark.parametrize("bits", [0, 1, 9, 16])
def test_other_widths_are_refused(bits: int) -> None:
    with pytest.raises(RunnerError, match=f"bits={bits}: codes are 2 to 8 bits wide"):
        Grid(bits)


def test_groups_of_nothing_are_refused() -> None:
    with pytest.raises(RunnerError, match="group_size=0"):
        PerGroup(0)
