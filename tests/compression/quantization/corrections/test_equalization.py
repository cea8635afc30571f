"""Cross-layer equalization: which layers pair, that the function stays, and what it brings."""

import pytest
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.corrections.corrections import Corrections
from runner.compression.quantization.corrections.equalize import equalize
from runner.compression.quantization.corrections.fold import fold_norms
from runner.compression.quantization.corrections.pairs import find_pairs, incoming, outgoing
from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.graph.operators import layer
from runner.compression.quantization.recipes import StaticRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr


class Branching(nn.Module):
    """Layers declared in another order than they run, a residual branch, every operator that lets scale through."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(5, 3)
        self.hidden = nn.Linear(8 * 4, 5)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8, eps=1e-3)
        self.residual = nn.Conv2d(8, 8, 1)
        self.stem = nn.Conv2d(2, 8, 3)
        self.slope = nn.PReLU(5)

    def forward(self, images: Tensor) -> Tensor:
        stem = torch.relu(self.stem(images))
        hidden = stem + self.residual(stem)
        hidden = nn.functional.relu6(self.norm(self.depthwise(hidden)))
        hidden = nn.functional.avg_pool2d(nn.functional.pad(hidden, (1, 1, 0, 0)), 2)
        hidden = nn.functional.leaky_relu(self.grouped(hidden), 0.1)
        hidden = nn.functional.adaptive_avg_pool2d(nn.functional.max_pool2d(hidden, 2, 1), 2)
        return self.head(self.slope(self.hidden(hidden.flatten(1))))


def branching() -> nn.Module:
    torch.manual_seed(0)
    network = Branching()
    nn.init.uniform_(network.norm.running_var, 0.01, 2)
    nn.init.normal_(network.norm.running_mean)
    for parameter in network.parameters():
        parameter.data *= 10 ** torch.randn(parameter.shape[0]).reshape(-1, *[1] * (parameter.dim() - 1))
    return network.eval()


IMAGES = 3 * torch.randn(4, 2, 12, 12, generator=torch.Generator().manual_seed(0))


def test_pairs_follow_the_data_and_not_the_order_of_modules() -> None:
    graph = capture(branching(), IMAGES)
    assert fold_norms(graph) == 1
    found = [(layer(pair.producer), layer(pair.consumer), len(pair.caps), pair.repeat) for pair in find_pairs(graph)]
    assert found == [("depthwise", "grouped", 1, 1), ("grouped", "hidden", 0, 4), ("hidden", "head", 0, 1)]


def test_the_float_function_stays_with_depthwise_grouped_and_flattened_layers() -> None:
    network, graph = branching(), capture(branching(), IMAGES)
    done = equalize(graph)
    assert (done.pairs, done.caps) == (3, 1)
    expected = network(IMAGES).detach()
    assert float((graph(IMAGES) - expected).abs().max() / expected.abs().max()) < 1e-5


def test_the_float_function_stays_with_batch_norm_and_relu6(
    unequal: nn.Module, captured: GraphModule, unseen: Tensor
) -> None:
    inputs = 20 * unseen  # far into the caps
    before_cap = torch.relu(unequal[0][1](unequal[0][0](inputs)))
    assert (before_cap > 6).float().mean() > 0.2
    expected = unequal(inputs).detach()
    equalize(captured)
    assert float((captured(inputs) - expected).abs().max() / expected.abs().max()) < 1e-4
    left = captured.graph.find_nodes(op="call_function", target=torch.ops.aten.hardtanh_.default)
    assert len(left) == 1  # behind the stem, which a residual addition reads too


def test_both_sides_of_every_pair_end_with_the_same_ranges(captured: GraphModule) -> None:
    graph = captured
    fold_norms(graph)
    before = [outgoing(graph, pair) / incoming(graph, pair) for pair in find_pairs(graph)]
    assert max(float(ratio.max() / ratio.min()) for ratio in before) > 100
    equalize(graph)
    for pair in find_pairs(graph):
        torch.testing.assert_close(outgoing(graph, pair), incoming(graph, pair), rtol=0.01, atol=1e-6)


class Shared(nn.Module):
    """The same layer twice, and a value that two layers read."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, rows: Tensor) -> Tensor:
        rows = self.second(torch.relu(self.second(torch.relu(self.first(rows)))))
        return self.third(rows) + rows


@pytest.mark.parametrize(
    "network",
    [
        Shared(),
        nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 4)),
        nn.Sequential(nn.Linear(4, 4), nn.Hardtanh(), nn.Linear(4, 4)),
        nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)),
        nn.Sequential(nn.Linear(4, 4), nn.Unflatten(1, (2, 2)), nn.Flatten(0, 1), nn.Linear(2, 2)),
    ],
    ids=["shared and read twice", "gelu", "hardtanh from -1", "layer norm", "rows regrouped"],
)
def test_a_network_without_pairs_is_refused_in_words(network: nn.Module) -> None:
    with pytest.raises(RunnerError, match=r"equalize finds no pair of layers .* Leave it out"):
        equalize(capture(network.eval(), torch.randn(4, 4)))


@pytest.mark.parametrize("granularity", ["per_channel", "per_tensor"])
def test_unequal_channels_gain_far_more_than_three_decibels(
    unequal: nn.Module, shown: list[Tensor], unseen: Tensor, granularity: str
) -> None:
    numerics, expected = Numerics(weight_granularity=granularity), unequal(unseen)
    without = StaticRecipe(numerics=numerics).apply(unequal, shown)
    corrected = StaticRecipe(numerics=numerics, corrections=Corrections(equalize=True)).apply(unequal, shown)
    assert corrected.reach == without.reach
    assert sqnr(expected, corrected(unseen)) - sqnr(expected, without(unseen)) > 10  # measured: 19 and 22
