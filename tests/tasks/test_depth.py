"""Parts of a network by depth: each parameter in one, equal in layers, with the rate of its depth."""

from functools import partial

import pytest
import torch
from torch import nn

from runner.errors import RunnerError
from runner.tasks.depth import RatesByDepth, parts_of
from runner.tasks.optimization import Optimization


def network() -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(2, 2) for _ in range(5)), nn.Linear(2, 3))


def test_the_output_layer_is_the_last_part_and_the_others_are_equal_in_layers():
    net = network()
    parts = parts_of(net, "5", 3)
    assert [[id(each) for each in part] for part in parts] == [
        [id(each) for layer in net[place] for each in layer.parameters()]
        for place in (slice(0, 2), slice(2, 5), slice(5, 6))
    ]


def test_a_shared_parameter_is_in_the_part_of_the_first_of_its_layers():
    net = network()
    net[5].weight = net[0].weight
    assert sorted(map(len, parts_of(net, "5", 2))) == [1, 10]


def test_more_parts_than_layers_are_refused():
    assert len(parts_of(network(), "5", 6)) == 6
    with pytest.raises(RunnerError, match=r"finetune.parts=7: this network has 5 layers .* choose at most 6 parts"):
        parts_of(network(), "5", 7)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, partial(torch.optim.AdamW, weight_decay=0.1)])
def test_rates_fall_towards_the_input_and_weight_decay_stays(optimizer):
    net = network()
    plain = Optimization(partial(optimizer, lr=0.1))
    groups = Optimization(partial(optimizer, lr=0.1), depth=RatesByDepth(3, 0.5)).groups(net)
    rates = {id(each): group["lr"] for group in groups for each in group["params"]}
    assert [rates[id(layer.bias)] for layer in net] == [0.025, 0.025, 0.05, 0.05, 0.05, 0.1]
    assert sum(len(group["params"]) for group in groups) == len(rates) == 12
    decays = [
        {id(p): g.get("weight_decay") for g in found for p in g["params"]} for found in (groups, plain.groups(net))
    ]
    assert decays[0] == decays[1]
