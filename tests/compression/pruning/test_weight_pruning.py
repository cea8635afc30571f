"""Magnitude, 2:4 and lottery pruning: which weights go, how many exactly, and what is refused."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from runner.compression.pruning.lottery import LotteryPruning
from runner.compression.pruning.magnitude import MagnitudePruning
from runner.compression.pruning.recipe import PruningContext
from runner.compression.pruning.semi_structured import SemiStructuredPruning, most_important
from runner.compression.pruning.zeros import KeptZeros
from runner.errors import RunnerError
from runner.measure.parameter_counts import nonzero_share


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5))


IMAGES = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(6) % 5


def loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(network(batch[0]), batch[1])


def context(network: nn.Module, **more) -> PruningContext:
    return PruningContext(network, IMAGES, [(IMAGES, LABELS)], loss, **more)


def zeros(network: nn.Module) -> dict[str, int]:
    return {name: int((each == 0).sum()) for name, each in network.named_parameters() if each.dim() > 1}


@settings(max_examples=30)
@given(st.floats(0, 0.9), st.sampled_from(["l1", "taylor"]))
def test_the_global_share_of_zeros_is_exact(ratio, importance):
    network = small()
    recipe = MagnitudePruning(ratio=ratio, importance=importance)
    pruned = recipe.apply(network, recipe.target, context(network)).network
    assert sum(zeros(pruned).values()) == round(ratio * (216 + 160))


def test_the_smallest_weights_go_and_the_others_stay_bit_for_bit():
    network = small()
    pruned = MagnitudePruning(ratio=0.5).apply(network, 0.5, context(network)).network
    weights = torch.cat([network[0].weight.flatten(), network[4].weight.flatten()]).detach()
    kept = torch.cat([pruned[0].weight.flatten(), pruned[4].weight.flatten()]).detach()
    assert weights[kept == 0].abs().max() < weights[kept != 0].abs().min()
    assert torch.equal(weights[kept != 0], kept[kept != 0])
    assert torch.equal(pruned[4].bias, network[4].bias)
    assert nonzero_share(network) == 1, "the network given was changed"


def test_per_layer_takes_the_same_share_of_each():
    network = small()
    pruned = MagnitudePruning(ratio=0.75, scope="layer").apply(network, 0.75, context(network)).network
    assert zeros(pruned) == {"0.weight": 162, "4.weight": 120}


def test_rounds_count_from_the_dense_network_and_keep_earlier_zeros():
    network = small()
    recipe = MagnitudePruning(ratio=0.8, importance="taylor")
    half = recipe.apply(network, 0.4, context(network)).network
    full = recipe.apply(half, 0.8, context(network)).network
    assert sum(zeros(full).values()) == round(0.8 * 376)
    assert not full[0].weight[half[0].weight == 0].any()
    assert not full[4].weight[half[4].weight == 0].any()


def test_taylor_spares_the_weights_that_the_loss_needs():
    """A small weight on an input that decides, a large one on an input that is always zero."""
    network = nn.Sequential(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[0.1, 9.0], [-0.1, 9.0]]))
    inputs = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    given_basis = PruningContext(network, inputs, [(inputs, torch.tensor([0, 1]))], loss)
    by_size = MagnitudePruning(ratio=0.5, scope="layer").apply(network, 0.25, given_basis).network
    by_loss = MagnitudePruning(ratio=0.5, importance="taylor").apply(network, 0.5, given_basis).network
    assert by_size[0].weight[0, 0] == 0 or by_size[0].weight[1, 0] == 0
    assert by_loss[0].weight.tolist() == [[pytest.approx(0.1), 0.0], [pytest.approx(-0.1), 0.0]]


def test_a_layer_of_small_weights_keeps_its_largest_and_is_named():
    network = small()
    with torch.no_grad():
        network[4].weight.mul_(1e-3)
    pruned = MagnitudePruning(ratio=0.6).apply(network, 0.6, context(network))
    assert int(pruned.network[4].weight.count_nonzero()) == 1
    assert pruned.network[4].weight.abs().max() == network[4].weight.abs().max()
    assert sum(zeros(pruned.network).values()) == round(0.6 * 376)
    assert pruned.remarks[0].startswith("Hardly any weights are left of 4.weight (1 of 160)")
    assert not MagnitudePruning(ratio=0.3).apply(network, 0.3, context(network)).remarks


@pytest.mark.parametrize(("scope", "most"), [("global", 374 / 376), ("layer", 159 / 160)])
def test_a_ratio_that_would_empty_a_layer_is_refused_and_the_one_offered_works(scope, most):
    network = small()
    recipe = MagnitudePruning(ratio=0.999, scope=scope)
    with pytest.raises(RunnerError, match=r"pruning.ratio=0.999 would empty [04]: .*nearest that works is") as error:
        recipe.apply(network, 0.999, context(network))
    offered = float(str(error.value).split("pruning.ratio=")[2].rstrip("."))
    assert offered == pytest.approx(most, abs=1e-4)
    pruned = MagnitudePruning(ratio=offered, scope=scope).apply(network, offered, context(network)).network
    assert pruned[0].weight.any()
    assert pruned[4].weight.any()


def test_skipped_layers_stay_and_a_name_that_matches_nothing_is_refused():
    network = small()
    pruned = MagnitudePruning(ratio=0.5, skip=["Conv2d"]).apply(network, 0.5, context(network)).network
    assert zeros(pruned) == {"0.weight": 0, "4.weight": 80}
    with pytest.raises(RunnerError, match=r"pruning.skip: No layer of Sequential .*'conv2d'.* Did you mean Conv2d"):
        MagnitudePruning(ratio=0.5, skip=["conv2d"]).apply(network, 0.5, context(network))
    with pytest.raises(RunnerError, match=r"pruning.skip leaves no weights"):
        MagnitudePruning(ratio=0.5, skip=["*"]).apply(network, 0.5, context(network))


def test_recurrent_weights_are_pruned_and_embeddings_are_not():
    network = nn.ModuleList([nn.Embedding(4, 3), nn.GRU(3, 5)])
    pruned = MagnitudePruning(ratio=0.5).apply(network, 0.5, PruningContext(network, None)).network
    assert sum(zeros(pruned).values()) == round(0.5 * (15 * 3 + 15 * 5))
    assert zeros(pruned)["0.weight"] == 0


def test_words_that_mean_nothing_and_gradients_that_are_missing_are_refused():
    network = small()
    with pytest.raises(RunnerError, match="batch norm scales whole channels"):
        MagnitudePruning(importance="bn_scale")
    with pytest.raises(RunnerError, match=r"importance=taylr: must be one of l1, l2, taylor. Did you mean taylor"):
        MagnitudePruning(importance="taylr")
    with pytest.raises(RunnerError, match="scope=all: must be one of global, layer"):
        MagnitudePruning(scope="all")
    with pytest.raises(RunnerError, match=r"ratio=1: must be at least 0 and below 1"):
        MagnitudePruning(ratio=1)
    with pytest.raises(RunnerError, match="taylor needs the gradients"):
        MagnitudePruning(importance="taylor").apply(network, 0.5, PruningContext(network, IMAGES))
    with pytest.raises(RunnerError, match="no linear, convolution or recurrent layer"):
        MagnitudePruning().apply(nn.BatchNorm1d(3), 0.5, PruningContext(network, IMAGES))


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(1, 13), st.integers(1, 4), st.integers(5, 6))
def test_no_group_keeps_more_than_allowed_and_those_kept_are_the_largest(rows, length, keep, group):
    scores = torch.rand(rows, length)
    kept = most_important(scores, 1, keep, group)
    for start in range(0, length, group):
        part, chosen = scores[:, start : start + group], kept[:, start : start + group]
        assert (chosen.sum(1) == min(keep, part.shape[1])).all()
        lowest = part.masked_fill(~chosen, 2).min(1).values
        assert (part.masked_fill(chosen, -1).max(1).values <= lowest).all()


def test_two_of_four_weights_stay_along_the_inputs_of_linear_layers_and_convolutions():
    network = nn.Sequential(nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(16, 5))
    recipe = SemiStructuredPruning()
    pruned = recipe.apply(network, recipe.target, PruningContext(network, None))
    assert ((pruned.network[2].weight.view(5, 4, 4) != 0).sum(2) == 2).all()
    kernels = pruned.network[0].weight.permute(0, 2, 3, 1)
    assert ((kernels.reshape(4, 3, 3, 2, 4) != 0).sum(-1) == 2).all()
    assert len(pruned.remarks) == 1
    assert "Ampere" in pruned.remarks[0]


def test_inputs_that_do_not_divide_by_four_are_filled_up_and_said():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(11, 5))
    pruned = SemiStructuredPruning().apply(network, 0.5, PruningContext(network, None))
    assert zeros(pruned.network) == {"0.weight": 0, "2.weight": 5 * (2 + 2 + 1)}
    assert "Inputs of 0, 2 do not divide by 4" in pruned.remarks[1]


def test_early_rounds_of_semi_structured_prune_fewer_of_a_group():
    network = nn.Sequential(nn.Linear(16, 3))
    quarter = SemiStructuredPruning().apply(network, 0.3, PruningContext(network, None)).network
    half = SemiStructuredPruning().apply(quarter, 0.5, PruningContext(network, None)).network
    assert (zeros(quarter), zeros(half)) == ({"0.weight": 12}, {"0.weight": 24})
    assert not half[0].weight[quarter[0].weight == 0].any()


def test_groups_that_keep_all_or_nothing_are_refused():
    for keep in (0, 4):
        with pytest.raises(RunnerError, match=r"pruning.keep=\d: must be (at least 1|below pruning.group=4)"):
            SemiStructuredPruning(keep=keep)


def test_a_lottery_ticket_has_the_early_weights_where_the_trained_ones_are_large():
    early, trained = small(), small()
    with torch.no_grad():
        for each in trained.parameters():
            each.add_(torch.randn_like(each))
    recipe = LotteryPruning(ratio=0.5)
    ticket = recipe.apply(trained, 0.5, context(trained, early=early)).network
    expected = MagnitudePruning(ratio=0.5).apply(trained, 0.5, context(trained)).network
    for name, each in ticket.named_parameters():
        there = expected.get_parameter(name) != 0
        assert torch.equal(each, early.get_parameter(name) * there)


def test_a_lottery_without_early_weights_is_refused_but_can_be_rehearsed():
    network = small()
    with pytest.raises(RunnerError, match="goes back to the weights after epoch 2 of training, and they were not kept"):
        LotteryPruning(rewind_epoch=2).apply(network, 0.5, context(network))
    assert nonzero_share(LotteryPruning().preflight(context(network)).network) == pytest.approx(0.2, abs=2e-3)
    with pytest.raises(RunnerError, match="rewind_epoch=-1"):
        LotteryPruning(rewind_epoch=-1)


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_zeros_survive_training_and_everything_else_moves(optimizer):
    network = small()
    pruned = MagnitudePruning(ratio=0.8).apply(network, 0.8, context(network)).network.train()
    before = copy.deepcopy(pruned)
    keeper = KeptZeros(pruned)
    options = {"momentum": 0.9} if optimizer is torch.optim.SGD else {}
    stepper = optimizer(pruned.parameters(), lr=0.05, **options)
    for _ in range(5):
        stepper.zero_grad()
        loss(pruned, (IMAGES, LABELS)).backward()
        stepper.step()
        keeper.restore()
    for name in ("0.weight", "4.weight"):
        each, was = pruned.get_parameter(name), before.get_parameter(name)
        assert each.grad[was == 0].any(), "nothing would have moved"
        assert torch.equal(each == 0, was == 0)
        assert (each[was != 0] != was[was != 0]).all()
