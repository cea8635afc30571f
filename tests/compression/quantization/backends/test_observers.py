"""The observers torchao lacks, against direct computation on the same values."""

import torch

from runner.compression.quantization.backends.ranges import (
    MSEObserver,
    PercentileObserver,
    PerChannelMSEObserver,
    PerChannelSharedMinMaxObserver,
)


def heavy_tails() -> torch.Tensor:
    values = torch.randn(50_000, generator=torch.Generator().manual_seed(0))
    return torch.cat([values, torch.tensor([60.0, -40.0])])


def squared_error(values: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, low: int, high: int) -> float:
    return float((((values / scale).round() + zero).clamp(low, high).sub(zero) * scale - values).square().sum())


def test_percentile_range_equals_the_quantiles_to_one_bin() -> None:
    values = heavy_tails()
    observer = PercentileObserver(percentile=99.9, dtype=torch.uint8)
    for batch in values.split(10_000):
        observer(batch)
    scale, zero = observer.calculate_qparams()
    low, high = torch.quantile(values, torch.tensor([0.001, 0.999]))
    width = 100 / 2048
    assert abs(float(-zero * scale - low)) < 2 * width
    assert abs(float((255 - zero) * scale - high)) < 2 * width


def test_percentile_100_is_the_full_range() -> None:
    observer = PercentileObserver(percentile=100, dtype=torch.uint8)
    observer(heavy_tails())
    assert abs(float(observer.calculate_qparams()[0]) - 100 / 255) < 1e-4


def test_mse_range_beats_full_range_and_percentiles_on_heavy_tails() -> None:
    values = torch.distributions.StudentT(3.0).sample((50_000,))
    observer, full = MSEObserver(dtype=torch.uint8), PercentileObserver(percentile=100, dtype=torch.uint8)
    observer(values)
    full(values)
    ours = squared_error(values, *observer.calculate_qparams(), 0, 255)
    assert ours < squared_error(values, *full.calculate_qparams(), 0, 255)


def test_per_channel_mse_is_the_best_of_a_direct_search() -> None:
    weight = torch.randn(4, 27, generator=torch.Generator().manual_seed(0)) ** 3
    observer = PerChannelMSEObserver(
        dtype=torch.int8, qscheme=torch.per_channel_symmetric, quant_min=-128, quant_max=127
    )
    observer(weight)
    scale, zero = observer.calculate_qparams()
    for row, step in zip(weight, scale, strict=True):
        candidates = [row.abs().max() * factor / 127.5 for factor in torch.linspace(0.2, 1, 96)]
        best = min(squared_error(row, candidate, torch.tensor(0), -128, 127) for candidate in candidates)
        assert squared_error(row, step, torch.tensor(0), -128, 127) <= 1.001 * best
    assert torch.equal(zero, torch.zeros(4, dtype=zero.dtype))


def test_shared_range_repeats_one_scale() -> None:
    weight = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    observer = PerChannelSharedMinMaxObserver(
        dtype=torch.int8, qscheme=torch.per_channel_symmetric, quant_min=-128, quant_max=127
    )
    observer(weight)
    assert torch.allclose(observer.calculate_qparams()[0], (weight.abs().max() / 127.5).expand(4))
