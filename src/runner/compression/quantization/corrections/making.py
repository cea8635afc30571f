"""The corrections, one after the other, each measured before and after."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.fx import GraphModule

from runner.compression.network import Evaluate, Step
from runner.compression.quantization.corrections.adaround import learn_rounding
from runner.compression.quantization.corrections.bias import correct_biases
from runner.compression.quantization.corrections.equalize import equalize, without_pairs
from runner.compression.quantization.corrections.fold import fold_norms
from runner.compression.quantization.corrections.pairs import find_pairs
from runner.compression.quantization.corrections.settings import CorrectionsSettings
from runner.compression.quantization.corrections.smooth import find_smoothable, smooth, without_norms
from runner.compression.quantization.corrections.weights import give_biases
from runner.compression.quantization.graph.interpreter import RoundedNetwork
from runner.measure import nested
from runner.measure.error import sqnr
from runner.measure.nested import Nested

FLOAT_SIDE = ("equalize", "smooth")  # change the float network, not what it computes; the others change its rounding


def objections(corrections: CorrectionsSettings, captured: GraphModule) -> list[str]:
    """Return what corrections find nothing to do in `captured`, which is used up."""
    wrong = []
    if corrections.smooth is not None and not find_smoothable(captured):
        wrong.append(without_norms())
    if corrections.equalize:
        fold_norms(captured)
        if not find_pairs(captured):
            wrong.append(without_pairs())
    return wrong


def make(
    corrections: CorrectionsSettings,
    captured: GraphModule,
    prepare: Callable[[GraphModule], GraphModule],
    batches: Sequence[Nested],
    evaluate: Evaluate | None,
) -> tuple[GraphModule, dict[str, Tensor], tuple[Step, ...]]:
    """Return the calibrated graph, what was learned for its rounding, and the steps; see `corrections.correct`."""
    names = corrections.names
    if corrections.bias_correction:
        give_biases(captured)
    measure = _Measure(captured, batches[-1], evaluate)
    ahead = [name for name in names if name in FLOAT_SIDE]
    prepared = prepare(copy.deepcopy(captured) if ahead else captured)
    steps, learned = list[Step](), dict[str, Tensor]()
    before = measure(prepared, learned)
    for name in names:
        if name in FLOAT_SIDE:
            del prepared  # two networks are enough
            ahead.remove(name)
            done = _change(corrections, name, captured, batches)
            prepared = prepare(copy.deepcopy(captured) if ahead else captured)
        else:
            done = _learn(corrections, name, prepared, batches[:-1] or batches, learned)
        after = measure(prepared, learned)
        steps.append(Step(name, str(done), before[0], after[0], before[1], after[1]))
        before = after
    return prepared, learned, tuple(steps)


def _change(corrections: CorrectionsSettings, name: str, graph: GraphModule, batches: Sequence[Nested]) -> object:
    if name == "equalize":
        return equalize(graph)
    assert corrections.smooth is not None
    return smooth(graph, batches, corrections.smooth)


def _learn(
    corrections: CorrectionsSettings,
    name: str,
    prepared: GraphModule,
    batches: Sequence[Nested],
    learned: dict[str, Tensor],
) -> object:
    if name == "bias_correction":
        return correct_biases(prepared, batches, learned)
    assert corrections.rounding is not None
    return learn_rounding(prepared, batches, learned, corrections.rounding)


class _Measure:
    """The output's SQNR against the network as it was captured, and the user's metric."""

    def __init__(self, captured: GraphModule, inputs: Nested, evaluate: Evaluate | None) -> None:
        with torch.no_grad():
            self.wanted = nested.numbers(captured(inputs))
        self.inputs, self.evaluate = inputs, evaluate

    def __call__(self, prepared: GraphModule, learned: dict[str, Tensor]) -> tuple[float, float | None]:
        """Return both of the program that `prepared` will become."""
        network = RoundedNetwork(prepared, learned)
        found = sqnr(self.wanted, nested.numbers(network(self.inputs)))
        return found, None if self.evaluate is None else float(self.evaluate(network))
