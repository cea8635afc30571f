"""Ranges that several places share: the widest of a pass counts, averaged over passes."""

import pytest
import torch
from torch import Tensor, nn

from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.backends.ranges import SharedMovingAverage
from runner.compression.quantization.recipes import QATRecipe, StaticRecipe
from runner.measure.error import sqnr

INPUTS = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
NUMERICS = Numerics(activation_observer="moving_average", reduce_range=False)


class Joined(nn.Module):
    """Two convolutions, the second with answers twenty times as large, side by side in one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.small, self.large, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(8, 4, 1)
        nn.init.normal_(self.large.weight, std=20 * float(self.small.weight.std()))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) to (N, 4, H, W)."""
        return self.last(torch.cat([self.small(images), self.large(images)], 1))


@pytest.mark.parametrize("observer", ["moving_average", "lsq"])
def test_the_wider_side_of_a_concatenation_is_not_clipped_in_fine_tuning(observer):
    torch.manual_seed(0)
    network, recipe = Joined().eval(), QATRecipe(numerics=Numerics(activation_observer=observer, reduce_range=False))
    prepared = recipe.prepare(network, [INPUTS])
    assert sqnr(network(INPUTS), prepared.eval()(INPUTS)) > 28
    for _ in range(3):  # the range stays while it is trained
        prepared.train()(INPUTS)
    assert sqnr(network(INPUTS), recipe.finish(prepared)(INPUTS)) > 28


def test_nor_after_training():
    torch.manual_seed(0)
    network = Joined().eval()
    assert sqnr(network(INPUTS), StaticRecipe(numerics=NUMERICS).apply(network, [INPUTS])(INPUTS)) > 28


def test_a_pass_counts_once_with_all_its_places():
    observer = SharedMovingAverage(averaging_constant=0.25)
    observer.places = 2
    for low, high in ((-1, 1), (-3, 2), (-1, 1), (-7, 4)):
        observer(torch.tensor([float(low), float(high)]))
    assert (float(observer.min_val), float(observer.max_val)) == (-3 + 0.25 * (-7 + 3), 2 + 0.25 * (4 - 2))
    observer(torch.tensor([-100.0, 100.0]))
    observer.begin_pass()  # broken off
    observer(torch.zeros(2))
    observer(torch.zeros(2))
    assert (float(observer.min_val), float(observer.max_val)) == (-4 * 0.75, 2.5 * 0.75)
