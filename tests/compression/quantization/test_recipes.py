"""Static and dynamic recipes: what they reach, what they refuse, and that integers really run."""

import copy
import platform
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.backends.quantizers import SelectiveQuantizer, build
from runner.compression.quantization.backends.selection import Selection
from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.graph.operators import operators
from runner.compression.quantization.program import convert as conversion
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.verify import prove
from runner.compression.quantization.recipes import DynamicRecipe, QATRecipe, StaticRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr


def test_static_reaches_every_operator_and_all_macs(
    static: QuantizedNetwork, network: nn.Module, images: Tensor
) -> None:
    assert static.reach.layers == ("stem.0", "conv", "fc")
    assert static.reach.macs_share == 1
    assert sqnr(network(images), static(images)) > 35


def test_lowered_program_runs_integer_kernels_only(
    lowered: QuantizedNetwork, network: nn.Module, images: Tensor
) -> None:
    assert lowered.kernels is not None
    assert lowered.kernels.integer == {"conv": 2, "linear": 1}
    assert lowered.kernels.floating == {}
    assert sqnr(lowered.program(images), lowered(images)) > 60


def test_any_smaller_batch_is_answered_without_compiling_again(lowered: QuantizedNetwork, images: Tensor) -> None:
    with torch.inference_mode():  # as Lightning tests
        answers = torch.cat([lowered(images[:1]), lowered(images[1:6]), lowered(images[6:])])
    assert sqnr(lowered.program(images), answers) > 60
    assert lowered.compiled is not None
    assert list(lowered.compiled.kernels) == [16]


def test_a_program_with_fewer_integer_kernels_than_operators_is_refused(lowered: QuantizedNetwork) -> None:
    assert lowered.compiled is not None
    counted = lowered.compiled.kernels[16].copy()
    lowered.compiled.kernels[16]["qlinear"] = 0
    try:
        with pytest.raises(RunnerError, match="1 of 1 linear operators still run in float"):
            prove(lowered.compiled, lowered.program)
    finally:
        lowered.compiled.kernels[16] = counted


def test_an_operator_the_quantizer_missed_is_named(
    network: nn.Module, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants = SelectiveQuantizer.wants

    def forgetful(self: SelectiveQuantizer, part: object, node: torch.fx.Node) -> bool:
        return "fc_weight" not in str(node.args) and wants(self, part, node)  # type: ignore[arg-type]

    monkeypatch.setattr(SelectiveQuantizer, "wants", forgetful)
    with pytest.raises(RunnerError, match=r"1 of 3 operators that should be int8 stayed float: fc \(linear\)"):
        StaticRecipe().apply(network, [images])


def test_dynamic_converts_exactly_because_of_one_forward_pass(
    dynamic: QuantizedNetwork, perceptron: nn.Module, rows: Tensor
) -> None:
    assert sqnr(perceptron(rows), dynamic(rows)) > 30
    assert conversion.unseen(dynamic.prepared) == []


def test_upstream_still_converts_dynamic_recipes_wrongly_without_a_forward_pass(
    perceptron: nn.Module, rows: Tensor
) -> None:
    """ao#4292: when this fails, upstream is mended and convert() need not run the example first."""
    quantizer = build("x86_inductor", "dynamic", Numerics(), Selection().resolve(perceptron, "dynamic"))
    program = convert_pt2e(prepare_pt2e(capture(perceptron, rows), quantizer))
    assert sqnr(perceptron(rows), program(rows)) < 10


def test_upstream_still_loses_annotations_in_deep_copies(perceptron: nn.Module, rows: Tensor) -> None:
    """When this fails, copies.copy_graph can go."""
    quantizer = build("x86_inductor", "dynamic", Numerics(), Selection().resolve(perceptron, "dynamic"))
    prepared = prepare_pt2e(capture(perceptron, rows), quantizer)
    prepared(rows)
    with pytest.raises(Exception, match="PortNodeMetaForQDQ"):
        convert_pt2e(copy.deepcopy(prepared))


def test_dynamic_leaves_convolutions_alone(network: nn.Module, images: Tensor) -> None:
    assert DynamicRecipe().apply(network, [images]).reach.layers == ("fc",)
    with pytest.raises(RunnerError, match=r"finds nothing to quantize.* this network has conv2d"):
        DynamicRecipe().apply(nn.Sequential(nn.Conv2d(1, 2, 3)), [images])


def test_attention_projections_and_1d_convolutions_are_reached() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(16, 16, 3, padding=1)
            self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.layer(self.conv(inputs).transpose(1, 2)).mean(1)

    torch.manual_seed(0)
    network, inputs = Tokens().eval(), torch.randn(6, 16, 5)
    expected = network(inputs).detach()
    static = StaticRecipe().apply(network, [inputs])
    assert static.reach.reached == 5
    assert sqnr(expected, static(inputs)) > 25
    assert sqnr(expected, DynamicRecipe().apply(network, [inputs])(inputs)) > 25


def test_layers_can_be_skipped_by_name_glob_and_type(network: nn.Module, images: Tensor) -> None:
    for skip in (("conv", "stem"), ("Conv2d",), ("co*", "stem.0")):
        reached = StaticRecipe(selection=Selection(skip=skip)).apply(network, [images]).reach.layers
        assert set(reached).isdisjoint({"stem.0", "conv"})
    with pytest.raises(RunnerError, match=r"'covn'.* Did you mean conv"):
        StaticRecipe(selection=Selection(skip=("covn",))).apply(network, [images])


def test_one_layer_can_be_dynamic_in_a_static_program(network: nn.Module, images: Tensor) -> None:
    mixed = StaticRecipe(selection=Selection(per_layer={"fc": "dynamic"})).apply(network, [images])
    targets = [str(node.target) for node in mixed.program.graph.nodes]
    assert mixed.reach.reached == 3
    assert targets.count("quantized_decomposed.choose_qparams.tensor") == 1


def test_custom_linear_touches_linear_layers_only(network: nn.Module, images: Tensor) -> None:
    for recipe in (StaticRecipe(back_end="custom_linear"), DynamicRecipe(back_end="custom_linear")):
        assert recipe.apply(network, [images]).reach.layers == ("fc",)


@pytest.mark.parametrize("observer", ["minmax", "moving_average", "histogram", "percentile", "mse"])
def test_every_observer_gives_a_usable_program(perceptron: nn.Module, rows: Tensor, observer: str) -> None:
    for numerics in (
        Numerics(activation_observer=observer),
        Numerics(activation_observer=observer, activation_scheme="symmetric", weight_granularity="per_tensor"),
    ):
        assert sqnr(perceptron(rows), StaticRecipe(numerics=numerics).apply(perceptron, [rows])(rows)) > 25


def test_calibration_mistakes_are_told(network: nn.Module, images: Tensor) -> None:
    for batches, message in (
        ([], "no calibration batches"),
        ([images, images[:, :, :4]], r"Calibration batch 1 has shape \(16, 1, 4, 8\)"),
        ([images, images.double()], "float64"),
        ([images * float("nan")], "NaN"),
    ):
        with pytest.raises(RunnerError, match=message):
            StaticRecipe().apply(network, batches)


def test_quantizing_twice_is_refused(static: QuantizedNetwork, images: Tensor) -> None:
    for twice in (static, static.program):
        with pytest.raises(RunnerError, match="quantized already"):
            StaticRecipe().apply(twice, [images])


def test_back_ends_refuse_what_they_cannot_do(network: nn.Module, images: Tensor) -> None:
    with pytest.raises(RunnerError, match="xpu cannot do the recipe 'qat'; it can do: static"):
        QATRecipe(back_end="xpu").prepare(network, [images])
    with pytest.raises(RunnerError, match="cannot share a program"):
        QATRecipe(selection=Selection(per_layer={"fc": "dynamic"})).prepare(network, [images])
    with pytest.raises(RunnerError, match="weight granularity 'per_channel'; it can do: per_tensor"):
        StaticRecipe(back_end="arm_inductor").apply(network, [images])
    arm = StaticRecipe(back_end="arm_inductor", numerics=Numerics(weight_granularity="per_tensor"))
    quantized = arm.apply(network, [images])
    assert sqnr(network(images), quantized(images)) > 25
    assert quantized.can_lower is (platform.machine() in ("aarch64", "arm64"))


def test_support_table_is_read_without_torch_and_names_the_missing_extra() -> None:
    code = """
import sys
from importlib import util
real = util.find_spec
util.find_spec = lambda name, *rest: None if name == "executorch" else real(name, *rest)
from runner.compression.quantization.backends.support import check
from runner.errors import RunnerError
try:
    check("xnnpack", "static")
except RunnerError as error:
    print(error)
print("torch" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'runner[executorch]'" in out
    assert out.strip().endswith("False")


def test_capture_names_the_line_that_prevents_it(images: Tensor) -> None:
    class Branching(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            if inputs.sum() > 0:
                return inputs * 2
            return inputs

    class FixedBatch(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.reshape(2, 64)

    with pytest.raises(RunnerError, match=r"test_recipes.py:\d+ in forward: if inputs.sum\(\) > 0.*torch.where"):
        capture(Branching(), images)
    with pytest.raises(RunnerError, match=r"reshape\(2, 64\).*batch size is fixed"):
        capture(FixedBatch(), images)


def test_capture_says_that_a_network_keeps_what_it_computed(images: Tensor) -> None:
    network = nn.Sequential(nn.Conv2d(images.shape[1], 2, 1))
    network.kept = network[0].weight * 2  # as timm's TinyViT keeps its biases of attention
    with pytest.raises(RunnerError, match=r"keep it detached"):
        capture(network, images)


def test_operators_carry_layers_and_macs_per_sample(network: nn.Module, images: Tensor) -> None:
    found = [(it.layer, it.kind, it.macs) for it in operators(capture(network, images))]
    assert found == [
        ("stem.0", "conv2d", 64 * 8 * 9),
        ("conv", "conv2d", 16 * 8 * 72),
        ("fc", "linear", 1280),
    ]


def test_the_original_network_is_left_as_it_was(fresh: nn.Module, images: Tensor) -> None:
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    fresh.train()
    StaticRecipe().apply(fresh, [images])
    assert fresh.training
    assert all(torch.equal(before[name], value) for name, value in fresh.state_dict().items())
