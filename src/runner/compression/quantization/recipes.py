"""The recipes: a trained network and some of its data in, an int8 network out."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

import torch
from torch import nn
from torch.fx import GraphModule
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

from runner.compression.network import Evaluate, Step, kind_of
from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.backends.quantizers import build
from runner.compression.quantization.backends.ranges import count_places
from runner.compression.quantization.backends.selection import Selection
from runner.compression.quantization.backends.support import BackEnd, back_end, check_corrections
from runner.compression.quantization.corrections.corrections import Corrections, correct
from runner.compression.quantization.graph.capture import capture, describe
from runner.compression.quantization.graph.modes import awakened
from runner.compression.quantization.program.calibrate import calibrate, check_batch
from runner.compression.quantization.program.convert import convert
from runner.compression.quantization.program.lower import CompiledProgram, obstacle
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.qat import FakeQuantizedNetwork, prepare_qat
from runner.compression.quantization.program.trial import explained, try_out
from runner.compression.quantization.program.verify import expect, prove, reached, refuse_recurrent
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested

FineTune = Callable[[FakeQuantizedNetwork], object]
# Recipes and graphs that were found to work in this process: the runs of a sweep have the same network.
_TRIED: set[str] = set()


@dataclass(frozen=True)
class Recipe(ABC):
    """One way to quantize. `batches` limits how much of the calibration data is used (None: all).

    `corrections` of ranges and rounding are made on the way.
    """

    back_end: str | BackEnd = "x86_inductor"
    numerics: Numerics = field(default_factory=Numerics)
    selection: Selection = field(default_factory=Selection)
    batches: int | None = None
    corrections: Corrections = field(default_factory=Corrections)
    kind = ""

    @property
    def program_kind(self) -> str:
        """What file formats have to hold; see `program_kinds`."""
        return kind_of({self.kind, *self.selection.per_layer.values()})

    @property
    def lowering(self) -> str | None:
        """Who runs its programs."""
        return back_end(self.back_end).lowering

    def __post_init__(self) -> None:
        check_corrections(self.kind, self.corrections.names)

    @abstractmethod
    def apply(
        self,
        network: nn.Module,
        calibration_batches: Iterable[Nested],
        fine_tune: FineTune | None = None,
        evaluate: Evaluate | None = None,
    ) -> QuantizedNetwork:
        """Return the int8 network of trained `network`, which stays as it was.

        `calibration_batches`: inputs (N, ...) as the network takes them; `fine_tune` trains the
        fake-quantized network in place (QAT only); `evaluate` returns the metric of a network, for the record of
        corrections. RunnerError: back end, data or network unfit, or operators missed.
        """

    def check(self, network: nn.Module) -> None:
        """Raise what can be told of a network without capturing it: no integer kernels, no such layer to skip."""
        refuse_recurrent(network)
        self.selection.resolve(network, self.kind)

    def preflight(self, network: nn.Module, example: Nested) -> None:
        """Raise what `apply` would for the network alone.

        It cannot be captured, holds nothing to quantize, or isn't lowered to integers. `example` is one input batch
        (N, ...). Quantizes a copy with the weights as they are, and traces what compiling would make of it; draws no
        random numbers. A network of the same graph is not tried again.
        """
        chosen = self.selection.resolve(network, self.kind)
        build(self.back_end, self.kind, self.numerics, chosen)
        with torch.random.fork_rng(devices=[]):
            captured = capture(network, example)
            expected = expect(captured, self.back_end, chosen)
            self.corrections.check(captured)
            key = f"{self!r} {describe(captured)}"
            if key not in _TRIED:
                attempt = partial(self._attempt, network, captured, nested.two_of(example))
                try_out(attempt, (operator.layer for operator in expected), self.back_end)
                _TRIED.add(key)

    def _attempt(self, network: nn.Module, captured: GraphModule, example: Nested, skipped: frozenset[str]) -> None:
        """Quantize a copy of `captured` with `skipped` layers in float, down to the kernels; raises what is wrong."""
        recipe = self.skipping(skipped) if skipped else self
        chosen = recipe.selection.resolve(network, self.kind)
        expected = expect(captured, self.back_end, chosen)
        program = recipe.sketch(awakened(captured), chosen, example)
        reached(program, expected)
        if obstacle(self.back_end) is None:
            prove(CompiledProgram(program).trace_for(example), program)

    def sketch(self, graph: GraphModule, chosen: dict[str, str], example: Nested) -> GraphModule:
        """Return the int8 program of `graph`, used up, with ranges of one batch and without corrections."""
        return convert(_calibrated(self, chosen, [example], graph), example)

    def skipping(self, layers: Iterable[str]) -> "Recipe":
        """Return the same recipe with `layers` left in float as well."""
        selection = replace(self.selection, skip=(*self.selection.skip, *layers))
        return replace(self, selection=selection)


@dataclass(frozen=True)
class StaticRecipe(Recipe):
    """Weights and activations in int8, ranges of activations from calibration data."""

    kind = "static"

    def apply(
        self,
        network: nn.Module,
        calibration_batches: Iterable[Nested],
        fine_tune: FineTune | None = None,
        evaluate: Evaluate | None = None,
    ) -> QuantizedNetwork:
        """See Recipe.apply."""
        return quantize_captured(self, network, None, _take(calibration_batches, self.batches), evaluate)


@dataclass(frozen=True)
class DynamicRecipe(Recipe):
    """Linear layers in int8, ranges of activations measured as they come; nothing else changes."""

    kind = "dynamic"

    def apply(
        self,
        network: nn.Module,
        calibration_batches: Iterable[Nested],
        fine_tune: FineTune | None = None,
        evaluate: Evaluate | None = None,
    ) -> QuantizedNetwork:
        """See Recipe.apply; one batch is enough. RunnerError when the network has no linear layer."""
        return quantize_captured(self, network, None, _take(calibration_batches, 1))


@dataclass(frozen=True)
class QATRecipe(Recipe):
    """Static int8 whose weights were fine-tuned under rounding. Its observers are moving_average, minmax or lsq."""

    numerics: Numerics = field(default_factory=lambda: Numerics(activation_observer="moving_average"))
    kind = "qat"

    def prepare(
        self,
        network: nn.Module,
        calibration_batches: Iterable[Nested],
        evaluate: Evaluate | None = None,
        captured: GraphModule | None = None,
    ) -> FakeQuantizedNetwork:
        """Return the fake-quantized network to fine-tune, its ranges initialised from the calibration batches.

        Corrections come before; what they bring is measured on the static recipe. Equalization folds batch norms, so
        that fine-tuning goes on without them. `captured`: see `quantize_captured`.
        """
        batches = _take(calibration_batches, self.batches)
        chosen = self.selection.resolve(network, self.kind)
        quantizer = build(self.back_end, self.kind, self.numerics, chosen)
        graph = capture(network, batches[0]) if captured is None else captured
        names = self.corrections.names
        steps = self._correct(graph, chosen, batches, evaluate) if names else ()
        with explained(self.back_end):
            prepared = prepare_qat(graph, quantizer, batches[0], batches, self.numerics, names)
        prepared.expected = expect(graph, self.back_end, chosen)
        prepared.corrections = steps
        return prepared

    def sketch(self, graph: GraphModule, chosen: dict[str, str], example: Nested) -> GraphModule:
        """See Recipe.sketch."""
        quantizer = build(self.back_end, self.kind, self.numerics, chosen)
        return prepare_qat(graph, quantizer, example, (), self.numerics).convert()

    def _correct(
        self, graph: GraphModule, chosen: dict[str, str], batches: list[Nested], evaluate: Evaluate | None
    ) -> tuple[Step, ...]:
        """Change `graph`; measures on the static programs that fine-tuning would begin from."""
        recipes = {name: "static" if recipe == "qat" else recipe for name, recipe in chosen.items()}
        observer = "moving_average" if self.numerics.activation_observer == "lsq" else self.numerics.activation_observer
        static = StaticRecipe(self.back_end, replace(self.numerics, activation_observer=observer))

        def measured(changed: GraphModule) -> GraphModule:
            return _calibrated(static, recipes, batches, copy.deepcopy(changed))

        return correct(self.corrections, graph, measured, batches, evaluate).steps

    def finish(self, fine_tuned: FakeQuantizedNetwork) -> QuantizedNetwork:
        """Return the int8 network of a fine-tuned one, which may go on training."""
        with explained(self.back_end):
            program = fine_tuned.convert()
        reach = reached(program, fine_tuned.expected)
        frozen, steps = fine_tuned.frozen(), fine_tuned.corrections
        return QuantizedNetwork(program, frozen, fine_tuned.example, reach, self.kind, self.back_end, None, steps)

    def apply(
        self,
        network: nn.Module,
        calibration_batches: Iterable[Nested],
        fine_tune: FineTune | None = None,
        evaluate: Evaluate | None = None,
    ) -> QuantizedNetwork:
        """See Recipe.apply."""
        if fine_tune is None:
            raise RunnerError("QAT needs a fine-tuning stage; without one use the recipe 'static' (ptq_static).")
        prepared = self.prepare(network, calibration_batches, evaluate)
        fine_tune(prepared)
        return self.finish(prepared)


def quantize_captured(
    recipe: Recipe,
    network: nn.Module,
    captured: GraphModule | None,
    batches: list[Nested],
    evaluate: Evaluate | None = None,
) -> QuantizedNetwork:
    """Post-training quantization of `network`.

    `captured`, a fresh capture of it that will be used up, saves making one.
    """
    chosen = recipe.selection.resolve(network, recipe.kind)
    build(recipe.back_end, recipe.kind, recipe.numerics, chosen)  # refuses before the capture, which takes longer
    graph = capture(network, batches[0]) if captured is None else captured
    expected = expect(graph, recipe.back_end, chosen)
    corrected = correct(recipe.corrections, graph, partial(_calibrated, recipe, chosen, batches), batches, evaluate)
    with explained(recipe.back_end):
        program = convert(corrected.prepared, batches[0], corrected.learned)
    reach = reached(program, expected)
    example, kind, name = batches[0], recipe.kind, recipe.back_end
    return QuantizedNetwork(program, corrected.prepared, example, reach, kind, name, corrected.learned, corrected.steps)


def _calibrated(recipe: Recipe, chosen: dict[str, str], batches: list[Nested], graph: GraphModule) -> GraphModule:
    """`graph`, used up, with observers that have seen the batches."""
    quantizer = build(recipe.back_end, recipe.kind, recipe.numerics, chosen)
    with explained(recipe.back_end):
        prepared = prepare_pt2e(graph, quantizer)
    count_places(prepared)
    calibrate(prepared, batches, batches[0])
    return prepared


def _take(batches: Iterable[Nested], limit: int | None) -> list[Nested]:
    taken = list(islice(batches, limit))
    if not taken:
        raise RunnerError(
            "There are no calibration batches, so no activation range can be known: give at least one "
            "batch of "
            "training data (calibration.batches >= 1)."
        )
    check_batch(taken[0], taken[0], 0)
    return taken
