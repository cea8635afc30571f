"""Gradual unfreezing: which parts train follows from the epoch, and batch normalisation that waits rests."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from runner.callbacks.gradual_unfreezing import GradualUnfreezing
from runner.tasks.depth import parts_of


@pytest.mark.parametrize(("epoch", "opened"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (9, 3)])
def test_part_after_part_begins_to_train(epoch, opened):
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    schedule = GradualUnfreezing(network.eval(), parts_of(network, "4", 3), epochs=2)
    schedule.on_train_start(SimpleNamespace(current_epoch=epoch), None)
    wanted = [place >= 3 - opened for place in (0, 0, 1, 1, 2)]
    assert [layer.weight.requires_grad for layer in network] == wanted
    assert [layer.weight.grad is not None for layer in network] == wanted
    assert [layer.training for layer in network if isinstance(layer, nn.BatchNorm1d)] == wanted[1::2]
