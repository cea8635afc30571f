"""A network is refused while it is built where it leaves the bounds, before its memory is taken."""

import pytest
import torch
from torch import nn

from runner.errors import RunnerError
from runner.job import trial
from runner.job.trial import bounded


def test_a_layer_without_weights_is_refused_by_its_shape() -> None:
    refused = pytest.raises(RunnerError, match=r"model: weight of a Linear would have no elements, shape \(0, 10\)")
    with refused, bounded("model"):
        nn.Sequential(nn.Linear(10, 0), nn.Linear(0, 1))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_more_bytes_than_there_are_is_refused_before_they_are_taken(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "memory", lambda: 4 * 10 * 11 - 1)
    with bounded("model"):
        nn.Linear(9, 10)  # 9 · 10 + 10 numbers
    refused = pytest.raises(RunnerError, match=r"weight of a Linear, shape \(10, 11\)")
    with refused, bounded("model"), torch.device(device):
        nn.Linear(11, 10)


def test_a_network_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "MOST", 30)
    with pytest.raises(RunnerError, match="more than 30 layers"), bounded("model"):
        nn.Sequential(*(nn.ReLU() for _ in range(31)))
    with pytest.raises(RunnerError, match="more than 30 weights"), bounded("model"):
        nn.LSTM(1, 1, num_layers=10)


def test_nothing_is_counted_afterwards_or_of_layers_whose_size_is_not_known_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with bounded("model"):
        nn.LazyLinear(3)
    with pytest.raises(RunnerError), bounded("model"):
        nn.Linear(0, 1)
    with pytest.warns(UserWarning, match="zero-element"):
        nn.Linear(0, 1)
