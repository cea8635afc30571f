"""Analysis, sensitivity and the choice of layers left in float."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from runner.compression.quantization.analysis import analyse
from runner.compression.quantization.graph.simulate import SimulatedNetwork
from runner.compression.quantization.mixed import (
    DropNotReachedError,
    choose_float_layers,
    quantize_mixed,
)
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import QATRecipe, StaticRecipe
from runner.measure.error import sqnr


def test_reports_match_a_weight_rounded_by_hand(static: QuantizedNetwork, network: nn.Module, images: Tensor) -> None:
    reports = {report.layer: report for report in analyse(static, [images[:8], images[8:]])}
    weight = network.fc.weight.detach()
    scale = weight.abs().amax(1, keepdim=True) / 127.5
    by_hand = sqnr(weight, (weight / scale).round().clamp(-128, 127) * scale)
    assert list(reports) == ["stem.0", "conv", "fc"]
    assert reports["fc"].weight.sqnr_db == pytest.approx(by_hand, abs=0.1)
    assert all(report.input is not None and 0 <= report.input.clipped < 0.05 for report in reports.values())
    assert all(report.output_sqnr_db > 30 for report in reports.values())


def test_reports_compare_behind_the_batch_norm_in_qat(network: nn.Module, images: Tensor) -> None:
    quantized = QATRecipe().apply(network, [images], lambda prepared: None)
    assert all(report.output_sqnr_db > 30 for report in analyse(quantized, [images]))


def test_simulation_agrees_with_the_program_and_with_float(
    static: QuantizedNetwork, network: nn.Module, images: Tensor
) -> None:
    simulated, expected = SimulatedNetwork(static.prepared), network(images)
    everything = simulated.activate(set(simulated.layers))(images)
    assert sqnr(expected, everything) == pytest.approx(sqnr(expected, static(images)), abs=3)
    assert sqnr(expected, simulated.activate(set())(images)) > 100


class Stub(nn.Module):
    """Stands for a SimulatedNetwork whose layers cost known amounts of metric."""

    def __init__(self, costs: dict[str, float]) -> None:
        super().__init__()
        self.layers, self.costs = costs, costs
        self.active: set[str] = set()

    def activate(self, layers: set[str]) -> "Stub":
        self.active = layers
        return self


def metric(stub: nn.Module) -> float:
    return 1 - sum(stub.costs[name] for name in stub.active)  # type: ignore[union-attr, misc]


def test_the_fewest_layers_that_suffice_stay_float() -> None:
    stub = Stub({"a": 0.01, "b": 0.2, "c": 0.0, "d": 0.1})
    for allowed, skip in ((0.4, ()), (0.15, ("b",)), (0.02, ("b", "d")), (0.005, ("a", "b", "d"))):
        assert choose_float_layers(stub, metric, allowed).chosen.skip == skip  # type: ignore[arg-type]


def test_a_lower_is_better_metric_is_understood() -> None:
    stub = Stub({"a": 0.01, "b": 0.2})
    found = choose_float_layers(stub, lambda it: -metric(it), 0.05, higher_is_better=False)  # type: ignore[arg-type]
    assert (found.chosen.skip, found.chosen.drop) == (("b",), pytest.approx(0.01))


def test_an_unreachable_drop_reports_the_best_found() -> None:
    stub = Stub({"a": 0.3, "b": 0.2, "c": 0.1})
    with pytest.raises(DropNotReachedError, match=r"leaves a, b in float and drops by 0\.1") as caught:
        choose_float_layers(stub, metric, 0.01)  # type: ignore[arg-type]
    assert caught.value.best.chosen.metric == pytest.approx(0.9)
    assert [trial.skip for trial in caught.value.best.simulated[:4]] == [(), ("a",), ("b",), ("c",)]


def test_mixed_quantizes_all_but_the_layers_chosen(network: nn.Module, images: Tensor) -> None:
    expected = network(images).detach()

    def evaluate(candidate: nn.Module) -> float:
        return sqnr(expected, candidate(images).clamp(-1e4, 1e4) + torch.finfo(torch.float32).eps)

    simulated = SimulatedNetwork(StaticRecipe().apply(network, [images]).prepared)
    full = evaluate(simulated.activate({"stem.0", "conv", "fc"}))
    allowed = evaluate(simulated.activate(set())) - full - 0.5
    quantized, mixture = quantize_mixed(StaticRecipe(), network, [images], evaluate, allowed)
    assert len(mixture.chosen.skip) == 1
    assert set(quantized.reach.layers) == {"stem.0", "conv", "fc"} - set(mixture.chosen.skip)
    assert mixture.chosen == mixture.programs[-1]


def dropping(by_program: float, by_simulation: dict[str, float]) -> Callable[[nn.Module], float]:
    """A metric that programs lose `by_program` of for each layer in int8, and simulations as said by layer."""

    def evaluate(candidate: nn.Module) -> float:
        if isinstance(candidate, QuantizedNetwork):
            return 1 - by_program * candidate.reach.reached
        assert isinstance(candidate, SimulatedNetwork)
        rounding = {name for name, parts in candidate.layers.items() if parts[0].active}
        return 1 - sum(by_simulation[name] for name in rounding)

    return evaluate


COSTS = {"stem.0": 0.002, "conv": 0.003, "fc": 0.001}


def test_where_the_program_drops_more_than_simulated_the_most_sensitive_layers_join(
    network: nn.Module, images: Tensor
) -> None:
    quantized, mixture = quantize_mixed(StaticRecipe(), network, [images], dropping(0.1, COSTS), 0.15)
    assert [trial.skip for trial in mixture.programs] == [(), ("conv",), ("stem.0", "conv")]
    assert [trial.drop for trial in mixture.programs] == pytest.approx([0.3, 0.2, 0.1])
    assert mixture.settled.skip == ()
    assert quantized.reach.layers == ("fc",)


def test_where_no_program_is_good_enough_the_best_is_reported_with_all_that_was_tried(
    network: nn.Module, images: Tensor
) -> None:
    made = []

    def ready(quantized: QuantizedNetwork) -> QuantizedNetwork:
        made.append(quantized)
        return quantized

    with pytest.raises(DropNotReachedError, match=r"leaves stem.0, conv in float and drops by 0\.1 ") as caught:
        quantize_mixed(StaticRecipe(), network, [images], dropping(0.1, COSTS), 0.05, ready=ready)
    assert len(caught.value.best.programs) == len(made) == 3
    assert caught.value.best.chosen == caught.value.best.programs[-1]
