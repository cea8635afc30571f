"""Weight-only networks: every kind of layer answers like the one it replaced, in fewer bytes, and says what it is."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from runner.compression.files.program import load_program, save_program
from runner.compression.quantization.recipes import StaticRecipe
from runner.compression.quantization.weights.layers import CodedConv2d, IntegerLinear, WeightInt8Linear
from runner.compression.quantization.weights.number_formats import FormatRecipe
from runner.compression.quantization.weights.weight_only import WeightOnlyRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr

INT4 = WeightOnlyRecipe(bits=4, group_size=32)


@pytest.fixture(scope="module")
def int4(mixed, pictures):
    return INT4.apply(mixed, [pictures])


@pytest.mark.parametrize(
    ("recipe", "title", "least"),
    [
        (WeightOnlyRecipe(), "int8_weights", 40),
        (WeightOnlyRecipe(activation="bfloat16"), "int8_weights", 33),
        (WeightOnlyRecipe(bits=8, group_size=16), "int8_weights", 40),
        (WeightOnlyRecipe(activation="int8"), "w8a8", 35),
        (INT4, "int4_weights", 18),
        (WeightOnlyRecipe(bits=4, group_size=32, activation="bfloat16"), "int4_weights", 18),
        (WeightOnlyRecipe(bits=2, group_size=8, rounding="gptq"), "int2_weights", 8),
    ],
)
def test_outputs_are_as_close_as_the_width_allows(recipe, title, least, mixed, pictures) -> None:
    small = recipe.apply(mixed, [pictures])
    outputs = small(pictures)
    assert small.title == title
    assert small.recipe == "weight"
    assert outputs.dtype == torch.float32
    assert not outputs.requires_grad
    assert sqnr(mixed(pictures), outputs) > least


def test_layers_of_every_kind_compute_what_dense_layers_with_the_same_weights_compute(int4, mixed, pictures) -> None:
    dense = copy.deepcopy(mixed)
    for name, module in int4.network.named_modules():
        if hasattr(module, "computes"):
            dense.get_submodule(name).weight.data = module.weight()
    assert torch.allclose(int4(pictures), dense(pictures), atol=1e-5)


def test_the_network_that_was_given_stays_as_it_was_and_shares_nothing(mixed, pictures) -> None:
    before, given = mixed(pictures), copy.deepcopy(mixed).train()
    small = WeightOnlyRecipe(skip=("head",)).apply(given)
    assert given.training
    assert isinstance(given.head, nn.Linear)
    with torch.no_grad():
        for tensor in (*given.parameters(), *given.buffers()):
            tensor.zero_()
    assert sqnr(before, small(pictures)) > 40


def test_it_stays_in_evaluation_mode(int4, pictures) -> None:
    wanted = int4(pictures)
    assert torch.equal(int4.train()(pictures), wanted)
    assert not int4.network.training


def test_memory_is_what_the_widths_say(mixed) -> None:
    small = WeightOnlyRecipe(bits=4, group_size=32).apply(nn.Sequential(nn.Linear(64, 128), nn.Conv2d(32, 8, 1)))
    weights = 64 * 128 + 32 * 8
    assert small.bytes == weights // 2 + weights // 32 * 2 + weights // 32 // 2 + 4 * (128 + 8)


def test_skipped_layers_stay_float_by_name_glob_and_type(mixed) -> None:
    small = WeightOnlyRecipe(skip=("Linear", "ev*")).apply(mixed)
    assert isinstance(small.network.head, nn.Linear)
    assert isinstance(small.network.even, nn.Conv2d)
    assert isinstance(small.network.stem, CodedConv2d)
    assert "Left in float: even, fc, head" in small.remarks


def test_a_name_that_matches_nothing_is_refused_with_the_nearest(mixed) -> None:
    with pytest.raises(RunnerError, match=r"'depthwize'\. Did you mean depthwise\?"):
        WeightOnlyRecipe(skip=("depthwize",)).apply(mixed)


def test_groups_that_do_not_divide_are_named(int4) -> None:
    assert "the last of each row is shorter" in int4.remarks[0]
    assert "fc" in int4.remarks[0]
    assert "head" not in int4.remarks[0]


def test_a_layer_that_occurs_twice_is_coded_once() -> None:
    layer = nn.Linear(8, 8)
    small = WeightOnlyRecipe().apply(nn.Sequential(layer, nn.ReLU(), layer))
    assert small.network[0] is small.network[2]


def test_integer_products_are_exact(mixed, pictures) -> None:
    layer = WeightOnlyRecipe(activation="int8").apply(nn.Sequential(nn.Linear(33, 7))).network[0]
    assert isinstance(layer, IntegerLinear)
    rows = torch.randn(3, 5, 33)
    scale = rows.abs().amax(-1, keepdim=True) / 127
    products = torch.round(rows / scale).double() @ layer.weight.codes.double().t()
    wanted = (products * scale.double() * layer.weight.scale.double() + layer.bias.double()).float()
    assert torch.allclose(layer(rows), wanted, rtol=1e-5, atol=1e-6)


def test_a_row_of_zeros_and_an_empty_batch_have_answers_in_integers() -> None:
    layer = WeightOnlyRecipe(activation="int8").apply(nn.Sequential(nn.Linear(4, 2))).network[0]
    assert torch.equal(layer(torch.zeros(1, 4))[0], layer.bias)
    assert layer(torch.empty(0, 4)).shape == (0, 2)


def test_the_scale_of_one_token_does_not_depend_on_the_others() -> None:
    layer = WeightOnlyRecipe(activation="int8").apply(nn.Sequential(nn.Linear(16, 4))).network[0]
    rows = torch.randn(2, 16)
    assert torch.equal(layer(torch.stack([rows[0], 1000 * rows[1]]))[0], layer(rows[:1])[0])


def test_the_bfloat16_kernel_runs_only_where_it_stays_within_the_tensor() -> None:
    """It reads 16 inputs at once: with 24 of them it ends the process (torch 2.14.1)."""
    recipe = WeightOnlyRecipe(activation="bfloat16")
    small = recipe.apply(nn.Sequential(nn.Linear(32, 24), nn.Linear(24, 8)))
    assert [isinstance(layer, WeightInt8Linear) for layer in small.network] == [True, False]
    assert "1 computed by aten._weight_int8pack_mm" in small.proof()[1]
    dense = functional.linear(torch.ones(2, 32), small.network[0].weight(), small.network[0].bias)
    assert sqnr(dense, small.network[0](torch.ones(2, 32))) > 40


def test_convolutions_have_no_integer_product_and_it_is_said(mixed) -> None:
    small = WeightOnlyRecipe(activation="int8").apply(mixed)
    assert any("float32 products: stem, depthwise" in remark for remark in small.remarks)
    with pytest.raises(RunnerError, match="for linear layers, and Sequential has none"):
        WeightOnlyRecipe(activation="int8").apply(nn.Sequential(nn.Conv2d(1, 2, 3)))


def test_attention_of_torch_is_answered_by_its_coded_layers(pictures) -> None:
    """Its fast path would read float weights that are no longer there."""
    network = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    small = WeightOnlyRecipe().apply(network)
    tokens = torch.randn(2, 5, 16)
    with torch.no_grad():
        assert sqnr(network(tokens), small(tokens)) > 35


def test_an_exported_program_answers_any_batch_as_the_network_does(int4, pictures, tmp_path) -> None:
    save_program(int4.program, pictures[:2], tmp_path / "p.pt2", int4.details)
    loaded = load_program(tmp_path / "p.pt2")
    assert loaded.metadata["bits"] == 4
    assert not [value for value in loaded.program.state_dict().values() if value.dim() == 4]
    for count in (1, 5):
        assert torch.allclose(loaded.program(pictures[:count]), int4(pictures[:count]), atol=1e-6)


@pytest.mark.parametrize(
    "recipe", [WeightOnlyRecipe(), FormatRecipe(), StaticRecipe()], ids=["weight", "format", "pt2e"]
)
def test_what_is_quantized_is_not_quantized_again(recipe, int4, pictures) -> None:
    with pytest.raises(RunnerError, match="quantized already"):
        recipe.apply(int4, [pictures])


def test_weights_that_are_not_finite_are_refused_by_name(mixed) -> None:
    broken = copy.deepcopy(mixed)
    broken.fc.weight.data[0, 0] = torch.nan
    with pytest.raises(RunnerError, match="Weights of fc are not finite"):
        INT4.apply(broken)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bits": 3}, "bits=3"),
        ({"group_size": 0}, "group_size=0"),
        ({"activation": "float23"}, "Did you mean float32"),
        ({"rounding": "gtpq"}, "Did you mean gptq"),
        ({"activation": "int8", "bits": 4}, "needs bits=8"),
        ({"activation": "int8", "group_size": 32}, "group_size=null"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words) -> None:
    with pytest.raises(RunnerError, match=words):
        WeightOnlyRecipe(**settings)


def test_a_network_without_weights_to_code_is_refused() -> None:
    with pytest.raises(RunnerError, match=r"no Linear and no Conv2d.*quantization=bf16"):
        WeightOnlyRecipe().apply(nn.Sequential(nn.LSTM(2, 2)))
