"""Graphs that are kept: taken for networks that differ in weights alone, and for no others."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.fx import symbolic_trace
from torch.nn import functional

from runner.compression.quantization.graph import alike
from runner.compression.quantization.graph import capture as capturing
from runner.compression.quantization.graph.capture import capture

INPUTS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
SCALE = {"value": 1.0}


@pytest.fixture
def exports(monkeypatch) -> list[nn.Module]:
    """The networks that torch.export had to capture, one after the other; none is kept from before."""
    made: list[nn.Module] = []
    export = capturing.export

    def counted(network, *arguments, **settings):
        made.append(network)
        return export(network, *arguments, **settings)

    monkeypatch.setattr(alike, "_KEPT", type(alike._KEPT)())
    monkeypatch.setattr(capturing, "export", counted)
    return made


class Small(nn.Module):
    """A layer, batch norm, buffers in and out of its state, and settings that no layer holds."""

    def __init__(self, slope: float = 0.1, dropout: float = 0.5, act: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        self.slope, self.dropout, self.act = slope, dropout, act
        self.first, self.norm, self.last = nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)
        self.register_buffer("shift", torch.randn(3))
        self.register_buffer("hidden", torch.randn(3), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        made = self.act(self.norm(self.first(inputs)) * self.slope + self.shift * SCALE["value"])
        return self.last(functional.dropout(made, self.dropout, self.training) + self.hidden)


def answers_of_its_own(network: nn.Module) -> None:
    """Capture it; the graph answers as it does, holds copies of its weights and knows their names."""
    graph = capture(network, INPUTS)
    torch.testing.assert_close(graph(INPUTS), network.eval()(INPUTS), rtol=0, atol=0)
    assert graph(INPUTS[:3]).shape == (3, 3)
    named = dict(network.named_parameters())
    for name, value in graph.named_parameters():
        assert torch.equal(value, named[name]) and value is not named[name]
        assert value.data_ptr() != named[name].data_ptr() and value.requires_grad == named[name].requires_grad


def test_a_network_that_was_trained_since_is_not_captured_again(exports):
    network = Small()
    answers_of_its_own(network)
    with torch.no_grad():
        for each in [*network.parameters(), network.shift, network.hidden, network.norm.running_var]:
            each.add_(torch.rand_like(each))
    answers_of_its_own(network)
    answers_of_its_own(Small())
    assert len(exports) == 1


def test_what_is_kept_takes_no_memory_and_is_used_up_by_nobody(exports):
    network = Small()
    first, second = capture(network, INPUTS), capture(network, INPUTS)
    (kept,) = alike._KEPT.values()
    assert all(value.is_meta for value in [*kept.parameters(), *kept.buffers()])
    before = second(INPUTS)
    for node in list(first.graph.nodes)[::-1]:
        if not node.users and node.op != "placeholder":
            first.graph.erase_node(node)
    nn.init.zeros_(first.last.weight)
    assert torch.equal(second(INPUTS), before)
    answers_of_its_own(network)
    assert len(exports) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda network: setattr(network, "slope", 0.2),
        lambda network: setattr(network, "dropout", 0.25),  # shows in training only
        lambda network: setattr(network, "slope", 1),
        lambda network: setattr(network, "act", functional.gelu),
        lambda network: setattr(network.norm, "eps", 1e-3),
        lambda network: setattr(network.norm, "momentum", 0.3),  # shows in training only
        lambda network: setattr(network, "last", nn.Linear(3, 3, bias=False)),
        lambda network: setattr(network.last, "weight", network.first.weight),
        lambda network: network.first.requires_grad_(False),
        lambda network: network.first.register_forward_hook(lambda layer, inputs, output: output + 1),
        lambda network: setattr(network, "forward", lambda inputs: inputs),
        lambda network: setattr(network, "slope", torch.tensor(0.1)),
        lambda network: network.double(),
    ],
)
def test_another_network_is_captured_anew(change, monkeypatch):
    monkeypatch.setattr(alike, "_KEPT", type(alike._KEPT)())
    network = Small().eval()
    changed = copy.deepcopy(network)
    change(changed)
    made: list[nn.Module] = []

    def graph_of(each: nn.Module) -> None:
        inputs = INPUTS.to(next(each.parameters()).dtype)
        alike.graph_of(each, inputs, lambda: made.append(each) or symbolic_trace(each))

    for each in (network, copy.deepcopy(network), changed):
        graph_of(each)
    assert made == [network, changed]


def test_other_shapes_and_structures_of_inputs_are_captured_anew(exports):
    class Mean(nn.Module):
        def forward(self, inputs):
            return sum(each.flatten(1).mean(1) for each in inputs) / len(inputs)

    for inputs in ([INPUTS, INPUTS], [INPUTS, INPUTS, INPUTS], (INPUTS, INPUTS), [INPUTS[:, :2], INPUTS]):
        assert torch.equal(capture(Mean(), inputs)(inputs), Mean()(inputs))
    assert len(exports) == 4


def test_what_no_key_can_hold_shows_in_the_answers(exports, monkeypatch):
    """A value beside the network that its graph holds as a constant."""
    answers_of_its_own(network := Small())
    monkeypatch.setitem(SCALE, "value", 2.0)
    answers_of_its_own(network)
    assert len(exports) == 2
    answers_of_its_own(network)
    assert len(exports) == 2


def test_shared_weights_stay_shared(exports):
    for _ in range(2):
        network = Small()
        network.last.weight = network.first.weight
        graph = capture(network, INPUTS)
        assert len(list(graph.parameters())) == len(list(network.parameters()))
        answers_of_its_own(network)
    assert len(exports) == 1


def test_the_oldest_goes_when_there_are_too_many(exports, monkeypatch):
    monkeypatch.setattr(alike, "LIMIT", 2)
    for slope in (0.1, 0.2, 0.3, 0.1):
        capture(Small(slope), INPUTS)
    assert len(exports) == 4 and len(alike._KEPT) == 2
