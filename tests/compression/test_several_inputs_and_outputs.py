"""Networks of several inputs or outputs through every recipe and every file that can hold them."""

import pytest
import torch
from torch import nn

from runner.compression.distillation.logits import LogitsLoss
from runner.compression.files.formats import chosen, is_structured, run_in_batches
from runner.compression.files.program import inspect_program
from runner.compression.meta import without_values
from runner.compression.pruning.groups import find_groups
from runner.compression.pruning.proof import prove
from runner.compression.quantization.analysis import analyse
from runner.compression.quantization.corrections.corrections import Corrections
from runner.compression.quantization.graph.simulate import SimulatedNetwork
from runner.compression.quantization.recipes import DynamicRecipe, QATRecipe, StaticRecipe
from runner.compression.quantization.weights.number_formats import FormatRecipe
from runner.compression.quantization.weights.weight_only import WeightOnlyRecipe
from runner.errors import RunnerError
from runner.job.formats import known_formats
from runner.measure import nested
from runner.measure.error import sqnr
from runner.measure.formulas import multiply_accumulates
from runner.measure.nested import StructureError
from runner.measure.structure import restore

FORMATS = known_formats()


class TwoInputs(nn.Module):
    """A wide and a narrow input, as a tuple or a dict, to (N, 3)."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(12, 16), nn.Linear(8, 16)
        self.hidden, self.out = nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, inputs):
        left, right = (inputs["left"], inputs["right"]) if isinstance(inputs, dict) else inputs
        return self.out(torch.relu(self.hidden(torch.relu(self.left(left) - self.right(right)))))


class TwoOutputs(nn.Module):
    """(N, 12) to scores (N, 3) and a small number (N, 1), as a tuple or a dict."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.body, self.hidden = nn.Linear(12, 16), nn.Linear(16, 16)
        self.scores, self.size = nn.Linear(16, 3), nn.Linear(16, 1)

    def forward(self, inputs):
        features = torch.relu(self.hidden(torch.relu(self.body(inputs))))
        scores, size = self.scores(features), 0.01 * self.size(features)
        return (scores, size) if self.kind is tuple else {"size": size, "scores": scores}


class DictToTuple(TwoInputs):
    """Several inputs and several outputs at once, for what compiles, which takes seconds."""

    def __init__(self):
        super().__init__()
        self.size = nn.Linear(3, 1)

    def forward(self, inputs):
        scores = super().forward(inputs)
        return scores, 0.1 * self.size(scores)


CASES = ["tuple in", "dict in", "tuple out", "dict out"]


def case(name):
    torch.manual_seed(0)
    left, right = torch.randn(16, 12), torch.randn(16, 8)
    if name.endswith("out"):
        return TwoOutputs(tuple if name == "tuple out" else dict).eval(), left
    network = DictToTuple() if name == "dict to tuple" else TwoInputs()
    return network.eval(), (left, right) if name == "tuple in" else {"right": right, "left": left}


def close(network, other, inputs, least):
    with torch.no_grad():
        wanted, got = network(inputs), other(inputs)
    assert nested.same_shapes(wanted, got)
    assert sqnr(wanted, got) > least


RECIPES = {
    "static": StaticRecipe(),
    "corrected": StaticRecipe(corrections=Corrections(adaround={"iterations": 3}, bias_correction=True)),
    "dynamic": DynamicRecipe(),
    "qat": QATRecipe(),
    "int4": WeightOnlyRecipe(bits=8, group_size=8),
    "gptq": WeightOnlyRecipe(rounding="gptq"),
    "bf16": FormatRecipe(),
}


def trained(network, inputs):
    """A few steps of fine-tuning under rounding."""

    def train(fake):
        optimizer = torch.optim.SGD(fake.parameters(), lr=1e-4)
        for _ in range(3):
            optimizer.zero_grad()
            nested.numbers(fake(inputs)).square().mean().backward()
            optimizer.step()

    return train


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", CASES)
def test_a_recipe_keeps_structure_and_answers(name, recipe):
    network, inputs = case(name)
    compressed = RECIPES[recipe].apply(network, [inputs], fine_tune=trained(network, inputs))
    close(network, compressed, inputs, 15)


def test_an_int8_program_is_lowered_and_padded():
    network, inputs = case("dict to tuple")
    int8 = StaticRecipe().apply(network, [inputs, inputs])
    close(int8.program, int8.lower(inputs), nested.head(inputs, 5), 60)


@pytest.mark.parametrize("name", CASES)
def test_an_int8_program_is_analysed_and_simulated(name):
    network, inputs = case(name)
    int8 = StaticRecipe().apply(network, [inputs, inputs])
    assert [report.layer for report in analyse(int8, [inputs])]
    close(network, SimulatedNetwork(int8.prepared).activate(set()), inputs, 100)


def saved(format_name, network, compressed, example, path):
    file = path / f"x{FORMATS[format_name].suffix}"
    FORMATS[format_name].save(network, compressed, example, file)
    return file, FORMATS[format_name].load(file, lambda: without_values(network))


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        *((name, format_name) for name in CASES for format_name in ("program", "onnx")),
        ("dict to tuple", "aot"),
    ],
)
def test_a_file_answers_in_the_structure_of_the_network(name, format_name, tmp_path):
    if FORMATS[format_name].missing:
        pytest.skip(f"{format_name} is not installed")
    network, inputs = case(name)
    int8 = StaticRecipe().apply(network, [inputs])
    _, program = saved(format_name, network, int8, inputs, tmp_path)
    close(
        int8.program,
        lambda given: run_in_batches(FORMATS[format_name].batch, program, given, 5),
        nested.head(inputs, 7),
        25,
    )


@pytest.mark.parametrize("name", CASES)
def test_onnx_holds_dynamic_programs_too(name, tmp_path):
    if FORMATS["onnx"].missing:
        pytest.skip("onnx is not installed")
    network, inputs = case(name)
    _, program = saved("onnx", network, DynamicRecipe().apply(network, [inputs]), inputs, tmp_path)
    close(network, program, inputs, 10)


@pytest.mark.parametrize("recipe", ["gptq", "bf16"])
@pytest.mark.parametrize("name", CASES)
def test_packed_weights_answer_alike(name, recipe, tmp_path):
    network, inputs = case(name)
    small = RECIPES[recipe].apply(network, [inputs])
    _, loaded = saved("packed", network, small, inputs, tmp_path)
    close(small, loaded, inputs, 150)


def test_onnx_names_inputs_and_outputs_and_takes_dicts_in_any_order(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network, inputs = case("dict in")
    file, program = saved("onnx", network, None, inputs, tmp_path)
    session = onnxruntime.InferenceSession(str(file))
    assert {each.name for each in session.get_inputs()} == {"inputs_left", "inputs_right"}
    close(network, program, dict(sorted(inputs.items())), 100)
    with pytest.raises(StructureError, match=r"not \(tensor, tensor\)"):
        program(tuple(inputs.values()))


def test_a_programs_metadata_tells_names_order_and_dtypes(tmp_path):
    network, inputs = case("dict out")
    file, _ = saved("program", network, None, inputs, tmp_path)
    metadata = inspect_program(file)
    assert metadata["inputs"] == {"dtype": "float32", "shape": [12]}
    scores, size = {"dtype": "float32", "shape": [3]}, {"dtype": "float32", "shape": [1]}
    assert metadata["outputs"] == {"dict": {"size": size, "scores": scores}}
    assert list(metadata["outputs"]["dict"]) == ["size", "scores"]


@pytest.mark.parametrize("name", ["executorch", "openvino"])
def test_formats_of_one_tensor_refuse_with_those_that_can(name, monkeypatch):
    monkeypatch.setattr(type(FORMATS[name]), "missing", [])
    assert all(is_structured(*case(each)) for each in CASES)
    with pytest.raises(RunnerError, match=f"{name} files .* these can: aot, onnx, program"):
        chosen(FORMATS, [name], structured=lambda: True)
    assert name not in chosen(FORMATS, "auto", structured=lambda: True)


@pytest.mark.parametrize("name", CASES)
def test_channels_are_found_and_proved(name):
    network, inputs = case(name)
    grouping = prove(network, find_groups(network, inputs), inputs)
    assert grouping.groups
    assert multiply_accumulates(network, inputs) == sum(
        each.weight.numel() for each in network.modules() if isinstance(each, nn.Linear)
    )


def test_distillation_takes_several_inputs_and_refuses_several_outputs():
    network, inputs = case("dict in")
    assert LogitsLoss(network, network, inputs).ask(inputs, network(inputs)).shape == (16, 3)
    network, inputs = case("tuple out")
    with pytest.raises(RunnerError, match="answers with a tuple"):
        LogitsLoss(network, network, inputs)


def test_calibration_names_the_tensor_that_does_not_fit():
    network, inputs = case("dict in")
    with pytest.raises(RunnerError, match="inputs_right of calibration batch 1 has shape"):
        StaticRecipe().apply(network, [inputs, {**inputs, "right": inputs["left"]}])


def test_structure_is_described_and_restored():
    value = {"b": (torch.zeros(2, 3), torch.ones(2, dtype=torch.uint8)), "a": [torch.ones(2, 1)]}
    restored = restore(nested.describe(value), nested.tensors(value))
    assert nested.same_shapes(value, restored) and list(restored) == ["b", "a"]
    assert nested.names(value, "x") == ["x_b_0", "x_b_1", "x_a_0"]
    whole = nested.concatenate(list(nested.split(nested.repeat(value, 5), 2)))
    assert nested.samples(whole) == 5
    assert nested.samples(nested.pad(value, 4)) == 4
