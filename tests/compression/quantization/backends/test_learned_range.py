"""Learned ranges (LSQ): steps in proportion, and no scale that silences its channel."""

import pytest
import torch
from torch import Tensor, nn
from torchao.quantization.pt2e import LearnableFakeQuantize, PerChannelMinMaxObserver

from runner.compression.quantization.backends.ranges import LearnedRange

LEAST = 2**-12
SETTINGS = {
    "observer": PerChannelMinMaxObserver,
    "quant_min": -128,
    "quant_max": 127,
    "dtype": torch.int8,
    "qscheme": torch.per_channel_symmetric,
    "ch_axis": 0,
}


@pytest.fixture
def weight() -> Tensor:
    """A weight (4, 50) whose scales come out as 0.002, as those of trained convolutions."""
    return torch.linspace(-0.255, 0.255, 50).repeat(4, 1)


def shrink(quantizer: nn.Module, weight: Tensor, optimizer: type[torch.optim.Optimizer], lr: float, steps: int) -> None:
    """Lets `optimizer` make the range of `weight` ever smaller."""
    quantizer(weight)
    quantizer.enable_range_learning()  # type: ignore[operator]
    learning = optimizer([each for each in quantizer.parameters() if each.requires_grad], lr=lr)  # type: ignore[call-arg]
    for _ in range(steps):
        learning.zero_grad()
        quantizer(weight).abs().sum().backward()
        learning.step()


def test_adam_moves_a_small_scale_by_its_share(weight: Tensor) -> None:
    quantizer = LearnedRange(eps=LEAST, **SETTINGS)
    shrink(quantizer, weight, torch.optim.Adam, lr=1e-3, steps=20)
    assert quantizer.scale.tolist() == pytest.approx([0.002 * 0.98] * 4, rel=0.005)
    assert quantizer(weight).abs().max() > 0.24


def test_torchao_still_lets_adam_silence_a_channel(weight: Tensor) -> None:
    """When this fails, upstream learns scales in proportion too and LearnedRange can go."""
    quantizer = LearnableFakeQuantize(eps=LEAST, use_grad_scaling=True, **SETTINGS)
    shrink(quantizer, weight, torch.optim.Adam, lr=1e-3, steps=20)
    assert quantizer(weight).abs().max() < 0.01  # of 0.255


def test_no_step_takes_a_scale_below_the_smallest_that_conversion_takes(weight: Tensor) -> None:
    quantizer = LearnedRange(eps=LEAST, **SETTINGS)
    shrink(quantizer, weight, torch.optim.SGD, lr=1e3, steps=2)
    scale, zero_point = quantizer.calculate_qparams()
    assert scale.tolist() == [LEAST] * 4
    assert zero_point.tolist() == [0] * 4
    assert quantizer(weight).isfinite().all()


def test_symmetric_ranges_keep_zero_in_the_middle(weight: Tensor) -> None:
    quantizer = LearnedRange(eps=LEAST, **SETTINGS)
    shrink(quantizer, weight + 0.1, torch.optim.Adam, lr=0.1, steps=2)
    assert [name for name, each in quantizer.named_parameters() if each.requires_grad] == ["log_scale"]
    assert quantizer.calculate_qparams()[1].tolist() == [0] * 4
