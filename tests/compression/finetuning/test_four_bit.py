"""Layers of four bits a weight: their levels, what they keep, and that gradients go through them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from runner.compression.finetuning.adapter_file import load_adapter, save_adapter
from runner.compression.finetuning.adapters import Adapters, merge, parameter_counts
from runner.compression.finetuning.four_bit import BLOCK, LEVELS, FourBitLinear, rounded
from runner.errors import RunnerError


def test_levels_are_the_published_quantiles_of_the_normal_distribution():
    """Appendix E: means of neighbouring quantiles would not hold 0; each half is spaced by itself from 0.9677083 on."""
    normal = torch.distributions.Normal(0, 1)
    right = normal.icdf(torch.linspace(0.9677083, 0.5, 9, dtype=torch.float64)[:-1])
    left = -normal.icdf(torch.linspace(0.9677083, 0.5, 8, dtype=torch.float64)[:-1])
    wanted = torch.cat([left, torch.zeros(1), right.flip(0)]) / right.max()
    torch.testing.assert_close(LEVELS.double(), wanted, rtol=0, atol=1e-6)


@given(st.integers(1, 3), st.integers(1, 90), st.integers(0, 99))
def test_each_weight_becomes_the_nearest_level_of_its_block_and_stays_there(rows, columns, seed):
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    found = rounded(weight)
    assert torch.equal(rounded(found), found)
    for place in range(0, weight.numel(), BLOCK):
        block, other = weight.flatten()[place : place + BLOCK], found.flatten()[place : place + BLOCK]
        nearest = (LEVELS * block.abs().max() - block[:, None]).abs().amin(1)
        torch.testing.assert_close((other - block).abs(), nearest, rtol=0, atol=1e-6)


def test_zeros_stay_zeros():
    assert torch.equal(rounded(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_outputs_and_gradients_are_those_of_the_rounded_layer():
    layer = nn.Linear(40, 24)
    kept, plain = FourBitLinear(layer), FourBitLinear(layer).plain()
    one, other = (torch.randn(5, 40, generator=torch.Generator().manual_seed(1), requires_grad=True) for _ in range(2))
    results = kept(one), plain(other)
    assert torch.equal(*results)
    for each in results:
        each.square().sum().backward()
    torch.testing.assert_close(one.grad, other.grad)
    assert kept.codes.numel() == 40 * 24 // 2 and kept.scales.numel() == 40 * 24 // BLOCK
    assert [name for name, _ in kept.named_parameters()] == ["bias"]


def test_an_adapter_knows_its_rounded_base(tmp_path):
    torch.manual_seed(0)
    network, fresh = (nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2)) for _ in range(2))
    fresh.load_state_dict(network.state_dict())
    (step,) = Adapters("qlora", rank=2)(network, "1")
    assert parameter_counts(network) == (2 * 2 * 8 + 18, 2 * 2 * 8 + 18 + 72)
    with torch.no_grad():
        network[0].lora_B.default.weight.add_(1)
    save_adapter(network, step, "base", tmp_path)
    merge(network)
    load_adapter(fresh, tmp_path)
    assert all(torch.equal(fresh.state_dict()[name], each) for name, each in network.state_dict().items())
    with pytest.raises(RunnerError, match="another base"):
        load_adapter(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2)), tmp_path)
