"""What a back end cannot do is found before training, with the layers at fault and an override that works."""

import pytest
import torch
from torch import nn

from runner.compression.quantization.backends.selection import Selection
from runner.compression.quantization.backends.support import back_end
from runner.compression.quantization.program import adapt
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.trial import explained, try_out
from runner.compression.quantization.program.verify import FloatOperatorsError
from runner.compression.quantization.recipes import QATRecipe, Recipe, StaticRecipe
from runner.errors import RunnerError
from tests.compression.quantization.program.test_adapt import IMAGES, Again

LAYERS = [f"stage{index}.conv" for index in range(16)]


class Machine:
    """Fails while any of `bad` is to run in integers, and counts how often it was tried."""

    def __init__(self, *bad: str, error: type[Exception] = ValueError) -> None:
        self.bad, self.error, self.tried = set(bad), error, 0

    def __call__(self, skipped: frozenset[str]) -> None:
        self.tried += 1
        if self.bad - skipped:
            raise self.error("Input partition has more than one output node\n  File inside.py, line 3")


def test_what_works_is_tried_once():
    machine = Machine()
    try_out(machine, LAYERS, "x86_inductor")
    assert machine.tried == 1


@pytest.mark.parametrize("bad", [("stage3.conv",), ("stage3.conv", "stage12.conv")])
def test_the_layers_at_fault_are_found_by_halving(bad):
    machine = Machine(*bad)
    with pytest.raises(RunnerError) as caught:
        try_out(machine, LAYERS, "x86_inductor")
    assert str(caught.value) == (
        "quantization: x86_inductor cannot quantize this network (ValueError: Input partition has more than one output "
        f"node). It works with quantization.skip=[{','.join(sorted(bad))}], which leaves that in float."
    )
    assert machine.tried <= 2 + 10 * len(bad)


def test_where_no_selection_helps_other_ways_are_named():
    with pytest.raises(RunnerError, match=r"No selection of layers to leave in float mends it\. Use quantization=none"):
        try_out(Machine("the norm between"), LAYERS, "x86_inductor")


def test_layers_that_the_failure_names_are_tried_first():
    def attempt(skipped):
        if "a" not in skipped:
            raise FloatOperatorsError(
                "After lowering: 1 of 2 conv operators still run in float: a. Leave them …", ["a"]
            )

    with pytest.raises(RunnerError, match=r"still run in float: a\)\. It works with quantization\.skip=\[a\]"):
        try_out(attempt, ["a", "b"], "x86_inductor")


def test_a_name_that_is_a_number_is_one_on_the_command_line_too():
    with pytest.raises(RunnerError, match=r"quantization\.skip=\[0\]"):
        try_out(Machine("0"), ["0", "2"], "x86_inductor")
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert Selection(skip=(0,)).resolve(network, "static")["0"] == "float"  # type: ignore[arg-type]


def test_values_that_are_not_finite_yet_refuse_nothing():
    def attempt(skipped):
        raise AssertionError("min nan should be less than max nan")

    try_out(attempt, LAYERS, "x86_inductor")


def test_failures_after_training_have_a_way_out_too():
    told = r"xnnpack cannot quantize this network \(KeyError: 'q'\)\. .*skip=\[LAYER\]"
    with pytest.raises(RunnerError, match=told), explained("xnnpack"):
        raise KeyError("q")
    with pytest.raises(RunnerError, match=r"^as it was$"), explained("xnnpack"):
        raise RunnerError("as it was")


@pytest.mark.parametrize("recipe", [StaticRecipe(), QATRecipe()], ids=["static", "qat"])
def test_a_layer_that_would_run_in_float_is_named_before_training(recipe: Recipe, monkeypatch):
    monkeypatch.setattr(adapt, "_separate_weights", lambda graph: None)  # as Inductor has it
    with pytest.raises(RunnerError, match=r"2 of 3 conv operators .*It works with quantization\.skip=\[shared\]"):
        recipe.preflight(Again(2).eval(), torch.randn(IMAGES))
    skipping = type(recipe)(selection=Selection(skip=("shared",)))
    skipping.preflight(Again(2).eval(), torch.randn(IMAGES))


def test_a_branch_that_begins_at_zero_is_tried_as_if_it_had_been_trained():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2)).eval()
    nn.init.zeros_(network[1].weight)
    QATRecipe().preflight(network, torch.randn(IMAGES))
    assert not network[1].weight.any()


def test_a_compiler_that_fails_says_how_to_go_on(monkeypatch):
    quantized = StaticRecipe().apply(nn.Sequential(nn.Linear(4, 2)), [torch.randn(4, 4)])

    def fail(self, inputs):
        raise NotImplementedError("no such kernel")

    monkeypatch.setattr("runner.compression.quantization.program.lower.CompiledProgram.compile_for", fail)
    with pytest.raises(RunnerError, match=r"NotImplementedError: no such kernel.*quantization\.skip"):
        QuantizedNetwork.lower(quantized)
    assert back_end("x86_inductor").lowering == "inductor"
