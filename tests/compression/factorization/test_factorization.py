"""Factorized layers are the nearest of their shape, save what they promise, and are rebuilt from the dense network."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from runner.compression.factorization import depthwise, low_rank
from runner.compression.factorization.depthwise import Depthwise
from runner.compression.factorization.low_rank import LowRank
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.errors import RunnerError

REBUILD = {"low_rank": low_rank.rebuild, "depthwise": depthwise.rebuild}


class Mixed(nn.Module):
    """A stem, a strided dilated convolution without bias, a grouped one, a 1×1 one, and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1, padding_mode="reflect")
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=2, dilation=2, bias=False), nn.ReLU())
        self.grouped = nn.Conv2d(16, 16, 3, padding=1, groups=4)
        self.mix = nn.Conv2d(16, 16, 1)
        self.hidden = nn.Linear(16, 24)
        self.head = nn.Linear(24, 3)

    def forward(self, images: Tensor) -> Tensor:
        features = self.mix(self.grouped(self.body(self.stem(images).relu()))).mean((2, 3))
        return self.head(self.hidden(features).relu())


@pytest.fixture
def dense() -> Mixed:
    torch.manual_seed(0)
    return Mixed().eval()


@pytest.fixture
def pictures() -> Tensor:
    return torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def rows_by_name(factorized):
    return {row.layer: row for row in factorized.rows}


def dense_weight(pair: nn.Sequential) -> Tensor:
    """The weight (out, …) of the one layer that two stand for."""
    first, second = pair[0].weight.detach(), pair[1].weight.detach()
    if isinstance(pair[0], nn.Conv2d) and pair[0].groups > 1:
        multiplier = len(first) // pair[0].in_channels
        return joined(first, second, multiplier)
    return (second.flatten(1) @ first.flatten(1)).reshape(len(second), *first.shape[1:])


def joined(kernels: Tensor, factors: Tensor, multiplier: int) -> Tensor:
    """The weight (out, in, kh, kw) that kernels of single channels and factors stand for."""
    by_channel = kernels.unflatten(0, (-1, multiplier))[:, :, 0]
    return torch.einsum("cmhw,ocm->ochw", by_channel, factors[:, :, 0, 0].unflatten(1, (-1, multiplier)))


def test_a_linear_layer_becomes_its_truncated_singular_value_decomposition():
    torch.manual_seed(0)
    network, rows = nn.Sequential(nn.Linear(10, 12)), torch.randn(5, 10)
    weight = network[0].weight.detach()
    factorized = LowRank(rank=3).apply(network, rows)
    u, s, v = torch.linalg.svd(weight, full_matrices=False)
    nearest = u[:, :3] * s[:3] @ v[:3]
    torch.testing.assert_close(factorized.network(rows), F.linear(rows, nearest, network[0].bias))
    (row,) = factorized.rows
    assert (row.rank, row.before, row.after) == (3, 132, 3 * 22 + 12)
    assert row.error == pytest.approx(float((weight - nearest).norm() / weight.norm()), rel=1e-5)


def test_a_convolution_passes_its_rank_through_its_own_kernel_and_then_one_by_one(dense, pictures):
    factorized = LowRank(rank=4, skip=["stem", "mix", "hidden", "head"]).apply(dense, pictures)
    reduce, expand = factorized.network.body[0]
    assert (reduce.kernel_size, reduce.stride, reduce.padding, reduce.dilation) == ((3, 3), (2, 2), (2, 2), (2, 2))
    assert (reduce.out_channels, expand.kernel_size, expand.bias) == (4, (1, 1), None)
    layer = copy.deepcopy(dense)
    layer.body[0].weight.data = dense_weight(factorized.network.body[0])
    torch.testing.assert_close(factorized.network(pictures), layer(pictures))


@pytest.mark.parametrize("energy", [0.5, 0.9, 0.99])
def test_energy_takes_the_smallest_rank_that_keeps_it(energy):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 64, bias=False))
    u, _, v = torch.linalg.svd(network[0].weight.detach())
    values = 2.0 ** -torch.arange(64)
    network[0].weight.data = u * values @ v
    (row,) = LowRank(energy=energy).apply(network, torch.randn(2, 64)).rows
    shares = values.square().cumsum(0) / values.square().sum()
    assert shares[row.rank - 1] >= energy
    assert row.rank == 1 or shares[row.rank - 2] < energy
    assert row.error == pytest.approx(math.sqrt(1 - shares[row.rank - 1]), abs=1e-3)


@pytest.mark.parametrize(("rank", "chosen"), [(0.25, 4), (0.01, 1), (5, 5), (1, 1), (7.0, 7)])
def test_a_rank_below_one_is_a_share_of_the_layers_full_rank(rank, chosen):
    (row,) = LowRank(rank=rank).apply(nn.Sequential(nn.Linear(16, 40)), torch.randn(2, 16)).rows
    assert row.rank == chosen


def test_layers_that_would_not_get_smaller_stay_and_say_so(dense, pictures):
    factorized = LowRank(rank=0.5, skip=["body.*"]).apply(dense, pictures)
    rows = rows_by_name(factorized)
    assert rows["grouped"].stays == "works on groups of channels"
    assert rows["body.0"].stays == "skipped"
    assert rows["mix"].stays == "rank 8 of 16 saves nothing; 7 would"
    for name, row in rows.items():
        changed, before = factorized.network.get_submodule(name), dense.get_submodule(name)
        assert row.before == sum(each.numel() for each in before.parameters())
        assert row.after == sum(each.numel() for each in changed.parameters())
        assert (row.after < row.before) is (not row.stays)
        if row.stays:
            torch.testing.assert_close(changed.state_dict(), before.state_dict())


def test_a_separable_convolution_is_the_nearest_of_its_shape(dense, pictures):
    factorized = Depthwise(skip=["stem"]).apply(dense, pictures)
    pair, weight = factorized.network.body[0], dense.body[0].weight.detach()
    nearest = torch.empty_like(weight)
    for channel in range(8):
        u, s, v = torch.linalg.svd(weight[:, channel].flatten(1), full_matrices=False)
        nearest[:, channel] = (s[0] * torch.outer(u[:, 0], v[0])).reshape(16, 3, 3)
    torch.testing.assert_close(dense_weight(pair), nearest)
    assert (pair[0].stride, pair[0].padding, pair[0].dilation, pair[0].groups) == ((2, 2), (2, 2), (2, 2), 8)
    row = rows_by_name(factorized)["body.0"]
    assert (row.before, row.after) == (8 * 16 * 9, 8 * 9 + 8 * 16)
    assert row.error == pytest.approx(float((weight - nearest).norm() / weight.norm()), rel=1e-5)
    layer = copy.deepcopy(dense)
    layer.body[0].weight.data = nearest
    torch.testing.assert_close(factorized.network(pictures), layer(pictures))


def test_as_many_kernels_a_channel_as_a_kernel_has_places_are_exact(dense):
    weight = dense.body[0].weight.detach()
    kernels, factors, error = depthwise.separated(weight, 9)
    torch.testing.assert_close(joined(kernels, factors, 9).float(), weight)
    assert error == 0


def test_more_kernels_a_channel_leave_less_error_until_they_save_nothing(dense, pictures):
    errors = [rows_by_name(Depthwise(multiplier=m).apply(dense, pictures))["body.0"].error for m in (1, 2, 3, 4)]
    assert errors == sorted(errors, reverse=True)
    with pytest.raises(RunnerError, match=r"body.0: 6 kernels a channel save nothing"):
        Depthwise(multiplier=6).apply(dense, pictures)


def test_what_cannot_be_separated_stays_and_says_why(dense, pictures):
    reasons = {row.layer: row.stays for row in Depthwise().apply(dense, pictures).rows}
    assert reasons == {
        "stem": "has fewer than 4 input channels",
        "body.0": "",
        "grouped": "works on groups of channels",
        "mix": "is 1×1 already",
    }


@pytest.mark.parametrize("recipe", [LowRank(rank=0.25), LowRank(energy=0.6), Depthwise(), Depthwise(multiplier=2)])
def test_the_steps_rebuild_the_shape_from_the_dense_network(recipe, dense, pictures, tmp_path):
    before = copy.deepcopy(dense.state_dict())
    factorized = recipe.apply(dense, pictures)
    torch.save({"steps": factorized.steps, "weights": factorized.network.state_dict()}, tmp_path / "kept.ckpt")
    content = torch.load(tmp_path / "kept.ckpt", weights_only=True)
    (step,) = content["steps"]
    assert step.pop("change") == recipe.kind
    rebuilt = REBUILD[recipe.kind](Mixed().eval(), **step)
    rebuilt.load_state_dict(content["weights"])
    assert torch.equal(rebuilt(pictures), factorized.network(pictures))
    torch.testing.assert_close(dense.state_dict(), before)


@pytest.mark.parametrize("recipe", [LowRank(rank=2), Depthwise()])
def test_a_network_of_another_type_and_layout_keeps_both(recipe, dense, pictures):
    network = dense.to(torch.float64, memory_format=torch.channels_last).train()
    changed = recipe.apply(network, pictures.double()).network
    assert {each.dtype for each in changed.parameters()} == {torch.float64}
    assert all(module.training for module in changed.modules())
    assert changed.body[0][1].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_layer_used_twice_becomes_one_pair_used_twice_and_shared_weights_stay():
    torch.manual_seed(0)
    twice = nn.Linear(16, 16)
    network = nn.Sequential(twice, nn.ReLU(), twice, nn.Linear(16, 16), nn.Linear(16, 16, bias=False))
    network[4].weight = network[3].weight
    factorized = LowRank(rank=2).apply(network, torch.randn(2, 16))
    assert factorized.network[0] is factorized.network[2]
    reasons = {row.layer: row.stays for row in factorized.rows}
    assert reasons == {"0": "", "3": "shares its weights with 4", "4": "shares its weights with 3"}


def test_weights_that_are_read_from_outside_are_told_of():
    network = nn.TransformerEncoderLayer(16, 2, batch_first=True).eval()
    with pytest.raises(RunnerError, match=r"reads their weights.*factorization.skip"):
        LowRank(rank=2).apply(network, torch.randn(2, 4, 16))


@pytest.mark.parametrize("recipe", [LowRank(rank=2, skip=["haed"]), Depthwise(skip=["haed"])])
def test_a_skip_name_that_matches_nothing_is_answered_with_the_nearest(recipe, dense, pictures):
    with pytest.raises(RunnerError, match=r"factorization.skip: No layer of Mixed.*'haed'. Did you mean head"):
        recipe.apply(dense, pictures)


@pytest.mark.parametrize("recipe", [LowRank(rank=2), Depthwise()])
def test_a_quantized_network_is_refused(recipe, static: QuantizedNetwork, images):
    with pytest.raises(RunnerError, match=r"quantized already; factorize comes before compress"):
        recipe.apply(static, images)


def test_a_rank_that_saves_nowhere_is_refused_with_the_reasons(dense, pictures):
    with pytest.raises(RunnerError, match=r"Nothing in Mixed was factorized \(stem: rank 8 of 8.*Lower"):
        LowRank(rank=0.999).apply(dense, pictures)


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        (LowRank, {"rank": 0}, "factorization.rank=0: must be above 0"),
        (LowRank, {"rank": 2.5}, "factorization.rank=2.5: must be a share"),
        (LowRank, {"energy": 1.2}, "factorization.energy=1.2: must be above 0"),
        (Depthwise, {"multiplier": 0}, "factorization.multiplier=0"),
    ],
)
def test_settings_out_of_range_are_refused(recipe, settings, message):
    with pytest.raises(RunnerError, match=message):
        recipe(**settings)


def test_a_layer_of_zeros_has_no_error():
    network = nn.Sequential(nn.Linear(8, 8))
    network[0].weight.data.zero_()
    factorized = LowRank(energy=0.9).apply(network, torch.randn(2, 8))
    assert factorized.rows[0].error == 0
    assert not factorized.network[0][1].weight.any()
