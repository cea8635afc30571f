"""Choosing codes: clipping lowers the error of the weights, GPTQ that of the outputs, in the memory of one layer."""

import gc

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from runner.compression.quantization.arithmetic.granularity import PerGroup
from runner.compression.quantization.arithmetic.rounding import dequantize, quantize
from runner.compression.quantization.weights.clipping import full_range, least_error_range
from runner.compression.quantization.weights.gptq import round_by_hessian
from runner.compression.quantization.weights.hessian import calls, hessian
from runner.compression.quantization.weights.stored import PackedWeight, grid_of
from runner.compression.quantization.weights.weight_only import WeightOnlyRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr


def weights(*shape: int) -> Tensor:
    """Heavy-tailed, as trained weights are."""
    torch.manual_seed(0)
    return torch.distributions.StudentT(4.0).sample(shape) / 10


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_clipping_never_raises_and_at_few_bits_lowers_the_squared_error(bits: int) -> None:
    weight, layout = weights(16, 64), PerGroup(32)
    errors = []
    for ranges in (full_range, least_error_range):
        parameters = ranges(weight, grid_of(bits), layout)
        errors.append(layout.blocks(dequantize(quantize(weight, parameters), parameters) - weight).square().sum(-1))
    assert (errors[1] <= errors[0]).all()
    assert errors[1].sum() < errors[0].sum() * {2: 0.8, 4: 0.97, 8: 1.0001}[bits]


def test_codes_are_chosen_for_the_scales_that_are_kept() -> None:
    """Scales of groups are kept in float16: codes made for exact ones would be off by up to a step in 2^11."""
    weight = weights(8, 64)
    parameters = full_range(weight, grid_of(4), PerGroup(32))
    stored = PackedWeight.of(quantize(weight, parameters), parameters)
    assert stored.scale.dtype == torch.float16
    assert torch.equal(stored(), dequantize(quantize(weight, parameters), parameters))


def test_scales_too_small_for_float16_stay_float32() -> None:
    weight = weights(8, 64) * 1e-6
    parameters = full_range(weight, grid_of(4), PerGroup(32))
    stored = PackedWeight.of(quantize(weight, parameters), parameters)
    assert stored.scale.dtype == torch.float32
    assert sqnr(weight, stored()) > 15


@pytest.mark.parametrize("group_size", [None, 32, 24])
def test_without_correlations_gptq_rounds_to_the_nearest(group_size: int | None) -> None:
    weight = weights(8, 64)
    codes, parameters = round_by_hessian(weight, torch.eye(64)[None] * 3, grid_of(4), group_size)
    assert torch.equal(codes, quantize(weight, parameters))
    assert torch.equal(parameters.scale, least_error_range(weight, grid_of(4), parameters.granularity).scale)


def test_inputs_that_are_always_equal_share_one_rounding_error() -> None:
    """Of two equal inputs only the sum of the weights counts, and that is rounded once, not twice."""
    weight = torch.rand(256, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    moments = torch.eye(16)[None]
    moments[:, :2, :2] = 1
    codes, parameters = round_by_hessian(weight, moments, grid_of(4), None)
    nearest, corrected = (dequantize(each, parameters) for each in (quantize(weight, parameters), codes))
    sums = [each[:, :2].sum(1) for each in (weight, nearest, corrected)]
    assert mse_loss(sums[0], sums[2]) < 0.7 * mse_loss(sums[0], sums[1])


@pytest.mark.parametrize("bits", [2, 4])
def test_gptq_brings_outputs_nearer_than_rounding_to_the_nearest(bits: int, mixed, pictures) -> None:
    decibels = {}
    for rounding in ("nearest", "mse", "gptq"):
        small = WeightOnlyRecipe(bits=bits, group_size=32, rounding=rounding).apply(mixed, pictures.split(16))
        decibels[rounding] = sqnr(mixed(pictures), small(pictures))
    assert decibels["gptq"] > max(decibels["nearest"], decibels["mse"]) + 3


@pytest.mark.parametrize("name", ["stem", "depthwise", "even", "valid", "fc"])
@torch.no_grad()
def test_moments_weigh_errors_of_the_weight_as_the_layer_does(name: str, mixed, pictures) -> None:
    """The trace of D H Dᵀ is the squared change of all outputs when the weight changes by D (equation 1)."""
    layer = mixed.get_submodule(name)
    moments = hessian(mixed, layer, pictures.split(16), once=True)
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    mixed(pictures)
    handle.remove()
    change = torch.randn(layer.weight.shape)
    changed = torch.func.functional_call(layer, {"weight": change, "bias": None}, (seen[0],))
    rows = change.reshape(len(moments), -1, moments.shape[1])
    assert float((rows @ moments * rows).sum()) == pytest.approx(float(changed.square().sum()), rel=1e-4)


def test_layers_are_corrected_in_the_order_in_which_they_run_not_in_which_they_stand() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first, self.never = nn.Linear(4, 3), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.last(self.first(self.first(inputs)))

    network = Backwards()
    counted = calls(network, [network.last, network.first, network.never], torch.ones(1, 4))
    assert [*counted.items()] == [(network.first, 2), (network.last, 1)]
    small = WeightOnlyRecipe(bits=4, rounding="gptq").apply(network, [torch.randn(8, 4)])
    assert "No calibration data reached never: rounded to the nearest" in small.remarks


def test_inputs_that_are_always_zero_keep_the_nearest_codes() -> None:
    weight = weights(4, 8)
    inputs = torch.randn(100, 8)
    inputs[:, 3] = 0
    codes, parameters = round_by_hessian(weight, (inputs.T @ inputs)[None], grid_of(4), None)
    assert torch.equal(codes[:, 3], quantize(weight, parameters)[:, 3])


def test_weights_that_were_pruned_stay_zero() -> None:
    weight = weights(8, 64)
    weight[:, ::3] = 0
    inputs = torch.randn(200, 8) @ torch.randn(8, 64)
    codes, parameters = round_by_hessian(weight, (inputs.T @ inputs)[None], grid_of(4), 32)
    assert (dequantize(codes, parameters)[:, ::3] == 0).all()


def test_gptq_without_data_is_refused(mixed) -> None:
    with pytest.raises(RunnerError, match="give it calibration data"):
        WeightOnlyRecipe(rounding="gptq").apply(mixed)


def test_gptq_streams_in_less_memory_than_the_network_and_keeps_nothing(tensor_memory) -> None:
    torch.manual_seed(0)
    layers = [each for _ in range(12) for each in (nn.Linear(64, 64), nn.ReLU())]
    network = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), *layers).eval()
    batches = [torch.randn(32, 1, 8, 8) for _ in range(4)]
    size = sum(parameter.nbytes for parameter in network.parameters())
    activations = 32 * 16 * 8 * 8 * 4  # of the convolution, the largest
    with tensor_memory(network) as memory:
        small = WeightOnlyRecipe(bits=4, group_size=32, rounding="gptq").apply(network, batches)
        gc.collect()
        kept = memory.alive
    assert memory.peak < size + activations
    assert kept <= small.bytes
