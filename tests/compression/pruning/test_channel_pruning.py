"""Channel pruning: consistent whatever shares the channels, rebuilt from plain settings, exact in what it removes."""

import copy
import json

import pytest
import torch
import torchvision
from torch import Tensor, nn

from runner.compression.pruning.budget import order
from runner.compression.pruning.channel import ChannelPruning
from runner.compression.pruning.channels import cut, rebuild, settings
from runner.compression.pruning.groups import find_groups, union
from runner.compression.pruning.importance import channel_scores
from runner.compression.pruning.proof import muted, outputs, prove
from runner.compression.pruning.recipe import PruningContext
from runner.errors import RunnerError
from runner.measure.formulas import multiply_accumulates
from runner.models.cnn import CNN
from runner.models.googlenet import GoogLeNet
from runner.models.mlp import image_mlp
from runner.models.resnet import ResidualNet
from runner.models.transformer import SelfAttention

GREY = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))
COLOUR = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def grouped() -> nn.Module:
    """Grouped, depthwise and transposed convolutions, group norm, instance norm and PReLU."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2),
        nn.GroupNorm(4, 8),
        nn.PReLU(8),
        nn.Conv2d(8, 12, 3, groups=2, bias=False),
        nn.InstanceNorm2d(12, affine=True),
        nn.PReLU(),
        nn.Conv2d(12, 12, 3, groups=12),
        nn.ConvTranspose2d(12, 6, 2),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 8),
        nn.LayerNorm(8),
        nn.ReLU(),
        nn.Linear(8, 5),
    )


NETWORKS = {
    "resnet": (lambda: ResidualNet(1, 28, 10), GREY),
    "cnn": (lambda: CNN(1, 28, 10), GREY),
    "googlenet": (lambda: GoogLeNet(1, 28, 10), GREY),
    "mlp": (lambda: image_mlp(1, 28, 10, (24, 16)), GREY),
    "grouped": (grouped, GREY),
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=10), COLOUR),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(num_classes=10, width_mult=0.5), COLOUR),
}


@pytest.fixture(params=NETWORKS, scope="module")
def case(request) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    build, example = NETWORKS[request.param]
    network = build().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # otherwise batch norm changes nothing
            module.running_var.uniform_(0.5, 2)
            module.running_mean.normal_()
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    return network, example


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_multiply_accumulates_fall_by_the_share_asked_for_and_little_more(case, scope):
    network, example = case
    recipe = ChannelPruning(macs=0.6, scope=scope)
    narrow = recipe.apply(network, recipe.target, PruningContext(network, example)).network
    gone = 1 - multiply_accumulates(narrow, example) / multiply_accumulates(network, example)
    assert 0.6 <= gone < 0.75
    assert narrow(example).shape == network(example).shape


def test_the_dense_network_and_plain_settings_rebuild_the_narrow_one(case):
    network, example = case
    pruned = ChannelPruning(ratio=0.5).apply(network, 0.5, PruningContext(network, example))
    (step,) = json.loads(json.dumps(pruned.steps))
    assert step.pop("change") == "channels"
    again = rebuild(network, **step)
    again.load_state_dict(pruned.network.state_dict())
    assert torch.equal(again(example), pruned.network(example))
    assert settings(pruned.network, again) == {}


def test_the_narrow_network_answers_as_the_wide_one_that_ignores_those_channels(case):
    network, example = case
    groups = [group for group in find_groups(network, example).groups if not behind_normalization(network, group)]
    removed = union([group.removal(range(0, len(group.units) - 1, 2)) for group in groups])
    narrow, wanted = outputs(cut(network, removed), example), outputs(muted(network, removed), example)
    assert torch.allclose(narrow, wanted, atol=1e-4 * float(wanted.abs().max()))
    assert not torch.allclose(wanted, outputs(network, example), atol=1e-2 * float(wanted.abs().max()))


def behind_normalization(network: nn.Module, group) -> bool:
    layers = [network.get_submodule(member.layer) for member in group.members]
    return any(isinstance(layer, (nn.GroupNorm, nn.LayerNorm)) for layer in layers)


def test_rounds_count_from_the_dense_network_and_describe_all_of_it(case):
    network, example = case
    recipe = ChannelPruning(macs=0.6)
    first = recipe.apply(network, 0.3, PruningContext(network, example)).network
    last = recipe.apply(first, 0.6, PruningContext(network, example))
    gone = 1 - multiply_accumulates(last.network, example) / multiply_accumulates(network, example)
    assert 0.6 <= gone < 0.75
    again = rebuild(network, last.steps[0]["layers"])
    again.load_state_dict(last.network.state_dict())


def test_ratio_is_the_share_of_channels_over_all_rounds():
    network = ResidualNet(1, 28, 10)
    recipe = ChannelPruning(ratio=0.5, scope="layer")
    first = recipe.apply(network, 0.25, PruningContext(network, GREY)).network
    narrow = recipe.apply(first, 0.5, PruningContext(network, GREY)).network
    assert [m.out_channels for m in narrow.modules() if isinstance(m, nn.Conv2d)] == [8, 8, 8, 16, 16, 16]
    assert narrow.head.in_features == 16 * 16
    assert narrow.head.out_features == 10


def test_the_network_given_stays_as_it_was_and_modes_and_layouts_are_kept():
    network = ResidualNet(1, 28, 10).to(memory_format=torch.channels_last).train()
    network.features[0].requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    narrow = ChannelPruning(ratio=0.5).apply(network, 0.5, PruningContext(network, GREY)).network
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training for module in narrow.modules())
    assert narrow.features[3].residual[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert not narrow.features[0].weight.requires_grad
    assert narrow.features[4].weight.requires_grad


def test_no_random_number_is_drawn():
    network = ResidualNet(1, 28, 10)
    state = torch.get_rng_state()
    ChannelPruning(ratio=0.5).apply(network, 0.5, PruningContext(network, GREY))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("setting", ["macs", "ratio"])
def test_a_target_that_would_empty_a_layer_is_refused_and_the_one_offered_works(setting):
    network = CNN(1, 28, 10)
    recipe = ChannelPruning(**{setting: 0.995})
    with pytest.raises(RunnerError, match=rf"pruning.{setting}=0.995 would empty features.[03]: .*nearest") as error:
        recipe.apply(network, recipe.target, PruningContext(network, GREY))
    offered = ChannelPruning(**{setting: float(str(error.value).split("=")[-1].rstrip("."))})
    narrow = offered.apply(network, offered.target, PruningContext(network, GREY)).network
    assert (narrow.features[0].out_channels, narrow.features[3].out_channels) == (1, 1)


def test_layers_keep_multiples_where_asked_to():
    network = GoogLeNet(1, 28, 10)  # layers of 10, 16, 20 and 24 channels
    narrow = ChannelPruning(macs=0.5, multiple_of=8).apply(network, 0.5, PruningContext(network, GREY)).network
    widths = {
        (m.out_channels, n.out_channels)
        for m, n in zip(network.modules(), narrow.modules(), strict=True)
        if isinstance(m, nn.Conv2d)
    }
    assert all(after == before or after % 8 == 0 for before, after in widths)
    assert any(after < before for before, after in widths)


def test_blocks_leave_multiples_and_count_with_their_mean():
    blocks = order([torch.tensor([5.0, 1, 2, 9, 3]), torch.tensor([4.0, 0])], "global", multiple_of=2)
    assert blocks.blocks == ((0, (1,)), (0, (2, 4)))
    assert blocks.last == ((1, (1, 0)), (0, (0, 3)))
    alone = order([torch.tensor([5.0, 1, 2]), torch.tensor([0.3, 0.2])], "layer")
    assert alone.blocks == ((0, (1,)), (1, (1,)), (0, (2,)))


def test_skipped_layers_keep_what_they_make():
    network = ResidualNet(1, 28, 10)
    narrow = ChannelPruning(macs=0.5, skip=["features.0"]).apply(network, 0.5, PruningContext(network, GREY)).network
    assert narrow.features[0].out_channels == narrow.features[3].residual[2].out_channels == 16
    assert narrow.features[4].out_channels < 32
    with pytest.raises(RunnerError, match=r"pruning.skip: No layer .* 'feature.0'.* Did you mean features"):
        ChannelPruning(skip=["feature.0"]).apply(network, 0.5, PruningContext(network, GREY))
    with pytest.raises(RunnerError, match="skip leaves no channels"):
        ChannelPruning(skip=["Conv2d"]).apply(network, 0.5, PruningContext(network, GREY))


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attention, self.head = nn.Linear(6, 16), SelfAttention(16, 4), nn.Linear(16, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.embed(tokens)
        return self.head(hidden + self.attention(hidden, torch.ones(hidden.shape[:2], dtype=torch.bool))).mean(1)


def test_channels_divided_among_attention_heads_are_found_out_and_left():
    """Torch-Pruning takes queries' channels for free ones; cut, they would land in other heads."""
    torch.manual_seed(0)
    network, tokens = Attending().eval(), torch.randn(2, 5, 6)
    traced = find_groups(network, tokens)
    assert [group.name for group in traced.groups] == ["embed", "attention.query"]
    assert [group.name for group in prove(network, traced, tokens).groups] == ["embed"]
    pruned = ChannelPruning(ratio=0.5).apply(network, 0.5, PruningContext(network, tokens))
    assert pruned.network.attention.query.out_features == 16
    assert pruned.network.embed.out_features == 8
    assert "Left as wide as they are: attention.query" in pruned.remarks[0]


def test_a_network_that_cannot_be_traced_is_refused_with_what_to_use():
    network = torchvision.models.shufflenet_v2_x0_5(num_classes=3)
    with pytest.raises(RunnerError, match=r"Torch-Pruning cannot trace ShuffleNetV2 .*Use pruning=magnitude"):
        ChannelPruning().apply(network, 0.5, PruningContext(network, COLOUR))


def test_a_network_without_inner_channels_is_refused():
    with pytest.raises(RunnerError, match="Linear has no channels between its layers that may go"):
        ChannelPruning().apply(nn.Linear(3, 2), 0.5, PruningContext(nn.Linear(3, 2), torch.zeros(2, 3)))


def with_norms() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 4, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(network(batch[0]), batch[1])


def test_batch_norm_scales_rank_the_channels_behind_them():
    network = with_norms()
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([0.5, -0.01, 2, 0.3, -0.02, 1]))
    recipe = ChannelPruning(ratio=0.33, importance="bn_scale")
    narrow = recipe.apply(network, recipe.target, PruningContext(network, GREY)).network
    assert narrow[1].weight.tolist() == pytest.approx([0.5, 2, 0.3, 1])
    assert narrow[3].out_channels == 4, "no batch norm ranks these"
    with pytest.raises(RunnerError, match="CNN has no batch norm behind the channels"):
        ChannelPruning(importance="bn_scale").apply(CNN(1, 28, 10), 0.5, PruningContext(CNN(1, 28, 10), GREY))


def test_taylor_gives_a_channel_that_nothing_reads_no_importance():
    network = with_norms()
    with torch.no_grad():
        network[3].weight[:, 2] = 0
    groups = find_groups(network, GREY).groups
    context = PruningContext(network, GREY, [(GREY, torch.tensor([0, 1, 2]))], loss)
    first, second = channel_scores(network, groups, "taylor", context)
    assert first[2] == 0
    assert (first[[0, 1, 3, 4, 5]] > 0).all()
    assert (second > 0).all()
    with pytest.raises(RunnerError, match="taylor needs the gradients"):
        channel_scores(network, groups, "taylor", PruningContext(network, GREY))


@pytest.mark.parametrize("importance, order", [("l1", 1), ("l2", 2)])
def test_norms_are_relative_to_the_layers_mean_and_averaged_over_those_that_share_a_channel(importance, order):
    network = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    groups = find_groups(network, torch.zeros(2, 3)).groups
    (scores,) = channel_scores(network, groups, importance, PruningContext(network, None))
    made, taken = network[0].weight.detach().norm(order, dim=1), network[2].weight.detach().norm(order, dim=0)
    assert torch.allclose(scores, (made / made.mean() + taken / taken.mean()) / 2)


def test_words_that_mean_nothing_are_refused():
    for wrong, message in [
        ({"macs": 1.0}, "pruning.macs=1.0: must be at least 0 and below 1"),
        ({"ratio": -0.5}, "pruning.ratio=-0.5: must be at least 0"),
        ({"ratio": None}, "needs pruning.ratio or pruning.macs"),
        ({"scope": "local"}, "scope=local: must be one of global, layer"),
        ({"importance": "l3"}, "importance=l3: must be one of l1, l2, bn_scale, taylor"),
    ]:
        with pytest.raises(RunnerError, match=message):
            ChannelPruning(**wrong)


def test_settings_of_another_network_are_refused():
    with pytest.raises(RunnerError, match=r"has a layer features.9 with out_channels, and CNN as it is configured has"):
        rebuild(CNN(1, 28, 10), {"features.9": {"out_channels": 3}})
    with pytest.raises(RunnerError, match=r"has a layer head with groups"):
        rebuild(CNN(1, 28, 10), {"head": {"groups": 3}})
