"""Weight decay reaches weights and embeddings, not biases and normalisation."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from runner.errors import RunnerError
from runner.tasks.optimization import Optimization, parameter_groups


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.convolution = nn.Conv2d(1, 4, 3)
        self.batch_norm = nn.BatchNorm2d(4)
        self.layer_norm = nn.LayerNorm((4, 4))
        self.recurrent = nn.GRU(4, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self.head = nn.Linear(4, 2)


def names_in(network: nn.Module, group: dict) -> set[str]:
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {names[id(parameter)] for parameter in group["params"]}


def test_biases_norms_and_vectors_do_not_decay() -> None:
    network = Everything()
    decayed, undecayed = parameter_groups(network, 0.1)
    assert (decayed["weight_decay"], undecayed["weight_decay"]) == (0.1, 0.0)
    weights = {"embedding.weight", "convolution.weight", "head.weight"}
    assert names_in(network, decayed) == weights | {"recurrent.weight_ih_l0", "recurrent.weight_hh_l0"}
    biases = {"convolution.bias", "head.bias", "recurrent.bias_ih_l0", "recurrent.bias_hh_l0", "scale"}
    norms = {f"{norm}.{kind}" for norm in ("batch_norm", "layer_norm") for kind in ("weight", "bias")}
    assert names_in(network, undecayed) == biases | norms


def test_shared_parameters_appear_once_and_frozen_ones_not_at_all() -> None:
    network = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    network[2].requires_grad_(False)
    (group,) = parameter_groups(network, 0.1)
    assert group["params"] == [network[0].weight]


@pytest.mark.parametrize(
    ("make", "switch", "expected"),
    [
        (partial(torch.optim.SGD, lr=0.1), False, 1),
        (partial(torch.optim.SGD, lr=0.1, weight_decay=0.1), False, 2),
        (partial(torch.optim.SGD, lr=0.1, weight_decay=0.1), True, 1),
        (partial(torch.optim.AdamW, lr=0.1), False, 2),  # its weight decay is 0.01 where none is given
        (partial(torch.optim.LBFGS, lr=0.1), False, 1),
        (partial(torch.optim.Rprop, lr=0.1), False, 1),
    ],
)
def test_groups_are_split_only_where_weights_decay(make, switch: bool, expected: int) -> None:
    optimization = Optimization(make, decay_bias_and_norm=switch)
    optimizer = optimization.configure(nn.Linear(2, 2), SimpleNamespace())["optimizer"]
    assert len(optimizer.param_groups) == expected


def test_a_network_with_nothing_to_train_is_refused() -> None:
    with pytest.raises(RunnerError, match="Nothing is left to train"):
        Optimization(partial(torch.optim.SGD, lr=0.1)).configure(nn.ReLU(), SimpleNamespace())
