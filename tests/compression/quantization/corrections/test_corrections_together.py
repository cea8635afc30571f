"""The corrections as switches of the recipes: off is off, each is measured, and what makes no sense is refused."""

import gc
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from runner.compression.quantization import analysis, recipes
from runner.compression.quantization.analysis import analyse
from runner.compression.quantization.corrections.corrections import Corrections
from runner.compression.quantization.graph.simulate import SimulatedNetwork
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import DynamicRecipe, QATRecipe, StaticRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr

ALL = Corrections(equalize=True, adaround={"iterations": 20, "batch_size": 16}, bias_correction=True)


@pytest.fixture(scope="module")
def corrected(unequal: nn.Module, shown: list[Tensor], unseen: Tensor) -> QuantizedNetwork:
    expected = unequal(unseen).detach()
    return StaticRecipe(corrections=ALL).apply(unequal, shown, evaluate=lambda it: sqnr(expected, it(unseen)))


def test_each_step_begins_where_the_one_before_ended(corrected: QuantizedNetwork) -> None:
    steps = corrected.corrections
    assert [step.name for step in steps] == ["equalize", "adaround", "bias_correction"]
    for before, after in pairwise(steps):
        assert (before.after_sqnr_db, before.after_metric) == (after.before_sqnr_db, after.before_metric)


def test_what_the_last_step_measured_is_what_the_program_does(
    corrected: QuantizedNetwork, unequal: nn.Module, shown: list[Tensor], unseen: Tensor
) -> None:
    last = corrected.corrections[-1]
    assert last.after_sqnr_db == pytest.approx(sqnr(unequal(shown[-1]), corrected(shown[-1])), abs=0.01)
    assert last.after_metric == pytest.approx(sqnr(unequal(unseen), corrected(unseen)), abs=0.01)


def test_analysis_and_simulation_know_what_was_learned(
    corrected: QuantizedNetwork, unequal: nn.Module, shown: list[Tensor]
) -> None:
    simulated = SimulatedNetwork(corrected.prepared, corrected.learned)
    everything, nothing = set(simulated.layers), set[str]()
    expected = unequal(shown[0])
    assert sqnr(expected, simulated.activate(nothing)(shown[0])) > 90
    by_program = sqnr(expected, corrected(shown[0]))
    assert sqnr(expected, simulated.activate(everything)(shown[0])) == pytest.approx(by_program, abs=3)
    weights = [report.weight for report in analyse(corrected, shown)]
    assert all(weight is not None and 25 < weight.sqnr_db < 60 for weight in weights)


def test_without_corrections_nothing_is_measured(
    balanced: nn.Module, shown: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = recipes._calibrated

    def counted(*arguments: object) -> object:
        seen.append(arguments)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(recipes, "_calibrated", counted)
    plain = StaticRecipe().apply(balanced, shown, evaluate=pytest.fail)
    assert len(seen) == 1
    assert (plain.corrections, plain.learned) == ((), {})


def test_fine_tuning_begins_from_the_equalized_network(unequal: nn.Module, shown: list[Tensor], unseen: Tensor) -> None:
    quantized = QATRecipe(corrections=Corrections(equalize=True)).apply(unequal, shown, lambda prepared: None)
    (step,) = quantized.corrections
    assert step.after_sqnr_db - step.before_sqnr_db > 10
    assert sqnr(unequal(unseen), quantized(unseen)) > 20  # 9 dB without


@pytest.mark.parametrize(
    ("recipe", "corrections", "words"),
    [
        (
            DynamicRecipe,
            Corrections(smooth=0.5),
            r"corrections\.smooth: a dynamic recipe .* use quantization=ptq_static",
        ),
        (QATRecipe, ALL, r"corrections\.adaround and corrections\.bias_correction: fine-tuning .*: equalize, smooth"),
    ],
)
def test_corrections_that_mean_nothing_under_a_recipe_are_refused(
    recipe: type, corrections: Corrections, words: str
) -> None:
    with pytest.raises(RunnerError, match=words):
        recipe(corrections=corrections)


def test_what_finds_nothing_to_do_is_refused_before_training() -> None:
    wanted = StaticRecipe(corrections=Corrections(equalize=True, smooth=0.5))
    with pytest.raises(RunnerError, match=r"(?s)no LayerNorm.*no pair of layers"):
        wanted.preflight(nn.Linear(4, 2), torch.zeros(2, 4))


def test_analysis_keeps_the_activations_of_one_layer(
    balanced: nn.Module, corrected: QuantizedNetwork, shown: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive, real = list[int](), analysis.decibels

    def count(*arguments: Tensor) -> float:
        tensors = [each for each in gc.get_objects() if type(each) is Tensor and each.dim() == 4 and len(each) == rows]
        alive.append(sum({each.untyped_storage().data_ptr(): each.nbytes for each in tensors}.values()))
        return real(*arguments)

    inputs = shown[0].repeat(3, 1, 1, 1)[:77]  # a batch size that nothing else has
    rows = len(inputs)
    layers = list(_outputs(balanced, inputs))
    monkeypatch.setattr(analysis, "decibels", count)
    analyse(corrected, [inputs])
    assert max(alive) < sum(layers)
    assert max(alive) < 8 * max(layers)


def _outputs(network: nn.Module, inputs: Tensor) -> Iterator[int]:
    """Bytes of what every convolution and activation of the network returns."""
    sizes: list[int] = []
    hooks = [
        module.register_forward_hook(lambda module, given, output: sizes.append(output.nbytes))
        for module in network.modules()
        if not list(module.children())
    ]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    yield from sizes
