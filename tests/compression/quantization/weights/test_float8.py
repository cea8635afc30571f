"""e4m3 weights: relative errors, channels of zeros, and what is told of the rest."""

import pytest
import torch

from runner.compression.quantization.weights.float8 import Float8Recipe, Float8Weight


def test_errors_are_a_sixteenth_at_most_and_a_scale_serves_its_channel_alone() -> None:
    weight = (
        torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
        * torch.logspace(-20, 20, 6)[:, None, None, None]
    )
    weight[2] = 0
    stored, largest = Float8Weight.of(weight), weight.abs().flatten(1).amax(1)
    near = weight.abs() >= largest.view(-1, 1, 1, 1) * 2**-6 / 448
    assert ((stored() - weight).abs() <= weight.abs() / 16 * (1 + 1e-5))[near].all()
    assert stored().abs().flatten(1).amax(1).tolist() == pytest.approx(largest.tolist(), rel=1e-6)
    assert (stored()[2] == 0).all()


def test_a_network_keeps_its_answers_in_a_quarter_of_the_bytes_and_says_how_much_was_reached(mixed, pictures) -> None:
    small = Float8Recipe().apply(mixed)
    assert {layer.weight.codes.dtype for layer in small.coded_layers} == {torch.float8_e4m3fn}
    assert small.title == "fp8"
    assert "% of the parameters are in e4m3" in small.proof()[1]
