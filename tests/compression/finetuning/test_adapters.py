"""Adapters begin as the base, train only what they should, and are gone after the merge."""

import copy

import pytest
import timm
import torch
import torchvision
from torch import nn

from runner.compression.finetuning.adapter_file import load_adapter, save_adapter
from runner.compression.finetuning.adapters import Adapters, base_parameters, idle, merge, rebuild, trained_state
from runner.compression.finetuning.four_bit import rounded
from runner.compression.finetuning.settings import METHODS
from runner.errors import RunnerError


def convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Conv2d(8, 16, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 16),
        nn.Linear(16, 3),
    ).eval()


IMAGES = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", METHODS)
def test_an_adapter_begins_as_the_base_trains_with_the_head_and_merges_without_a_trace(method):
    plain = convolutional()
    if method == "qlora":  # what is rounded already stays
        plain[6].weight.data = rounded(plain[6].weight)
    network, before = copy.deepcopy(plain), torch.get_rng_state()
    (step,) = Adapters(method, rank=2, block_size=4)(network, "7")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(network(IMAGES), plain(IMAGES))
    assert step["layers"] == {"vera": ["6"], "qlora": ["6"], "oft": ["3", "6"]}.get(method, ["0", "3", "6"])

    network(IMAGES).square().sum().backward()
    trained = {name for name, each in network.named_parameters() if each.requires_grad}
    assert {"7.weight", "7.bias"} < trained
    assert all(network.get_parameter(name).grad is not None for name in trained)
    base = base_parameters(network, step["layers"], "7")
    wanted = base_parameters(plain, step["layers"], "7")
    assert base.keys() == wanted.keys() == {name for name, _ in plain.named_parameters() if name[0] != "7"}
    assert all(torch.equal(base[name], wanted[name]) for name in base)

    with torch.no_grad():
        for name in trained:
            network.get_parameter(name).add_(0.05 * torch.randn(network.get_parameter(name).shape))
    network[1].running_mean.add_(0.1)
    adapted = network(IMAGES)
    again = rebuild(copy.deepcopy(plain), **{key: value for key, value in step.items() if key != "change"})
    state = trained_state(network)
    assert set(state) == trained | {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    again.load_state_dict({**again.state_dict(), **state})
    assert torch.equal(again(IMAGES), adapted)
    merge(network)
    assert list(network.state_dict()) == list(plain.state_dict())
    assert [type(each) for each in network.modules()] == [type(each) for each in plain.modules()]
    assert not torch.allclose(adapted, plain(IMAGES), atol=1e-3)
    torch.testing.assert_close(network(IMAGES), adapted, rtol=0, atol=1e-5)
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("projections", [["q", "v"], []])
def test_a_vision_transformer_has_the_published_number_of_trained_parameters(projections):
    """Query and value count as much as the fused layer: 16 * (768 + 768) twice, or 16 * (768 + 3 * 768).

    peft counts 86,543,818 in all, for it keeps a second, frozen head beside the one that trains.
    """
    with torch.device("meta"):
        network = timm.create_model("vit_base_patch16_224", num_classes=101)
    settings = {"layers": ["blocks.*.attn.qkv"], "projections": projections}
    Adapters("lora", rank=16, alpha=32, dropout=0.1, **settings)(network, "head")
    counts = dict.fromkeys((True, False), 0)
    for parameter in network.parameters():
        counts[parameter.requires_grad] += parameter.numel()
    second_head = 768 * 101 + 101
    assert counts[True] == 667_493
    assert counts[True] + counts[False] + second_head == 86_543_818


@pytest.mark.parametrize(
    ("layers", "method", "rank", "words"),
    [
        (["layer.linaer1"], "lora", 2, "Did you mean layer.linear1"),
        (["head"], "lora", 2, "head is the output layer"),
        (["layer.norm1"], "lora", 2, "names neither a Linear nor a Conv2d"),
        (["layer.self_attn.out_proj"], "lora", 2, "reads its weight without calling it"),
        (["layer.linear1"], "lora", 9, "has rank 8 itself, less than finetune.rank=9"),
        (["image"], "lora", 2, "is a convolution in 2 groups"),
        (["image"], "vera", 2, "takes Linear layers only"),
        (["layer.linear1"], "oft", 2, "has 8 inputs, which finetune.block_size=3 does not divide"),
    ],
)
def test_layers_that_do_not_suit_are_refused(layers, method, rank, words):
    network = nn.ModuleDict({"layer": nn.TransformerEncoderLayer(8, 2, 16), "image": nn.Conv2d(8, 8, 1, groups=2)})
    network["head"] = nn.Linear(8, 2)
    with pytest.raises(RunnerError, match=words):
        Adapters(method, rank=rank, block_size=3, layers=layers)(network, "head")


@pytest.mark.parametrize(("method", "adapted"), [("lora", ["0"]), ("adalora", []), ("loha", []), ("lokr", [])])
def test_a_convolution_that_pads_in_a_way_of_its_own_is_left_to_methods_that_follow_it(method, adapted):
    network = nn.Sequential(
        timm.layers.Conv2dSame(4, 4, 3, stride=2), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(16, 2)
    )
    (step,) = Adapters(method, rank=2)(network, "3")
    assert step["layers"] == [*adapted, "1"]
    assert network(torch.zeros(1, 4, 4, 4)).shape == (1, 2)


def test_layers_that_the_network_never_calls_are_told():
    class Reading(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read, self.called, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(nn.functional.linear(self.called(inputs), self.read.weight))

    network = Reading()
    Adapters(rank=2)(network, "head")
    assert idle(network, torch.zeros(1, 4)) == ["read"]
    swin = torchvision.models.SwinTransformer([4, 4], 8, [2], [2], [2, 2], num_classes=2)
    with pytest.raises(RunnerError, match=r"cannot adapt .*attn.qkv: it is part of ShiftedWindowAttention"):
        Adapters(rank=2, layers=["*.qkv"])(swin, "head")


def test_attention_is_left_alone_where_no_layer_is_named():
    network = nn.ModuleDict({"layer": nn.TransformerEncoderLayer(8, 2, 16), "head": nn.Linear(8, 2)})
    (step,) = Adapters(rank=2)(network, "head")
    assert step["layers"] == ["layer.linear1", "layer.linear2"]


def transformer() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("test_vit", num_classes=3, img_size=32).eval()


@pytest.mark.parametrize("method", ["lora", "dora", "qlora", "adalora"])
def test_query_and_value_are_adapted_and_the_key_stays(method, tmp_path):
    plain, images = transformer(), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    network, before = copy.deepcopy(plain), torch.get_rng_state()
    (step,) = Adapters(method, rank=2, projections=["q", "v"])(network, "head")
    assert torch.equal(torch.get_rng_state(), before)
    assert step["layers"] == [f"blocks.{block}.attn.qkv" for block in range(len(plain.blocks))]
    if method != "qlora":  # which rounds
        torch.testing.assert_close(network(images), plain(images), rtol=0, atol=1e-6)
        base, wanted = (base_parameters(each, step["layers"], "head") for each in (network, plain))
        assert base.keys() == wanted.keys()
        assert all(torch.equal(base[name], wanted[name]) for name in base)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora" in name:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    adapted = network(images)
    save_adapter(network, step, "base", tmp_path)
    merge(network)
    torch.testing.assert_close(network(images), adapted, rtol=0, atol=1e-5)
    assert list(network.state_dict()) == list(plain.state_dict())
    again = copy.deepcopy(plain)
    load_adapter(again, tmp_path)
    assert all(torch.equal(each, network.state_dict()[name]) for name, each in again.state_dict().items())
    for one, other in zip(network.blocks, plain.blocks, strict=True):
        changed = [
            not torch.equal(a, b)
            for a, b in zip(one.attn.qkv.weight.chunk(3), other.attn.qkv.weight.chunk(3), strict=True)
        ]
        assert changed == [True, False, True]


def test_projections_of_other_layers_are_refused():
    with pytest.raises(RunnerError, match=r"cannot adapt blocks.0.mlp.fc1: it is no Linear layer called qkv"):
        Adapters(layers=["blocks.0.mlp.fc1"], projections=["q"])(transformer(), "head")
    with pytest.raises(RunnerError, match=r"lora finds no layer to adapt .* is no Linear layer called qkv"):
        Adapters(rank=2, projections=["q"])(convolutional(), "7")
    with pytest.raises(RunnerError, match=r"finetune.projections.*of q, k, v, each once"):
        Adapters(projections=["q", "q"])
