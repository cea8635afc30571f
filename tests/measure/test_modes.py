"""Modes: what evaluates for a while is as it was afterwards."""

import pytest
import torch
from torch import nn

from runner.measure.modes import evaluating


def test_a_network_evaluates_for_a_while_and_every_modules_mode_comes_back():
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3), nn.Linear(3, 3))
    network[1].eval()  # frozen statistics
    ones = torch.ones(4, 3)
    with pytest.raises(ValueError, match="broken"), evaluating(network):
        assert torch.equal(network(ones), network(ones))
        raise ValueError("broken")
    assert [each.training for each in network] == [True, False, True]
    assert network.training


def test_what_evaluates_already_is_not_asked_again():
    class Captured(nn.Module):
        def eval(self):
            raise NotImplementedError

    captured = Captured()
    captured.training = False
    with evaluating(captured):
        assert not captured.training
