"""Which few layers to leave in float so that the metric drops by no more than the user allows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from torch import nn

from runner.compression.quantization.analysis import Evaluate, Sensitivity, measure_sensitivity
from runner.compression.quantization.graph.simulate import SimulatedNetwork
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import Recipe
from runner.errors import RunnerError
from runner.measure.nested import Nested

Ready = Callable[[QuantizedNetwork], QuantizedNetwork]


@dataclass(frozen=True)
class SelectionTrial:
    """One selection: the layers left in float, the metric reached and its drop against float."""

    skip: tuple[str, ...]
    metric: float
    drop: float


@dataclass(frozen=True)
class Mixture:
    """What a search found, and all that it tried, in order.

    `chosen`: the selection taken, or the best one where none keeps the drop within bounds; measured on the program
    itself where `programs` were made, layer by layer in simulation before. `simulated`: what simulation tried;
    `settled`: what it settled on. `sensitivity` is where it all came from.
    """

    chosen: SelectionTrial
    settled: SelectionTrial
    simulated: tuple[SelectionTrial, ...]
    sensitivity: Sensitivity
    programs: tuple[SelectionTrial, ...] = ()


class DropNotReachedError(RunnerError):
    """No selection keeps the drop within bounds; `best` is the one that came nearest."""

    def __init__(self, best: Mixture, max_drop: float) -> None:
        super().__init__(_unreached(best.chosen, max_drop))
        self.best = best


def choose_float_layers(
    network: SimulatedNetwork, evaluate: Evaluate, max_drop: float, higher_is_better: bool = True
) -> Mixture:
    """Return the smallest set of layers to leave in float with a drop of at most `max_drop` (in the metric's units).

    Sets of none and of one are tried exhaustively; beyond that, layers join one at a time, the most helpful
    first, and those that turn out not to be needed leave again: small, not provably the smallest.
    At least one layer stays quantized. DropNotReachedError, with the best found, when nothing suffices.
    """
    sensitivity = measure_sensitivity(network, evaluate)
    sign, trials = 1.0 if higher_is_better else -1.0, list[SelectionTrial]()

    def note(skip: tuple[str, ...], metric: float) -> SelectionTrial:
        trials.append(SelectionTrial(_in_order(skip, sensitivity), metric, sign * (sensitivity.floating - metric)))
        return trials[-1]

    def attempt(skip: tuple[str, ...]) -> SelectionTrial:
        return note(skip, evaluate(network.activate(set(network.layers) - set(skip))))

    step = note((), sensitivity.quantized)
    tried = [note((row.layer,), row.all_but) for row in sensitivity.layers] if len(network.layers) > 1 else []
    added: list[str] = []
    while step.drop > max_drop and tried:
        step = min(tried, key=lambda it: it.drop)
        added += [name for name in step.skip if name not in added]
        rest = [name for name in network.layers if name not in step.skip]
        tried = [attempt((*step.skip, name)) for name in rest] if step.drop > max_drop and len(rest) > 1 else []
    if step.drop > max_drop:
        best = min(trials, key=lambda it: it.drop)
        raise DropNotReachedError(Mixture(best, best, tuple(trials), sensitivity), max_drop)
    for name in added[:-1]:
        fewer = attempt(tuple(other for other in step.skip if other != name))
        step = fewer if fewer.drop <= max_drop else step
    return Mixture(step, step, tuple(trials), sensitivity)


def quantize_mixed(
    recipe: Recipe,
    network: nn.Module,
    calibration_batches: Iterable[Nested],
    evaluate: Evaluate,
    max_drop: float,
    higher_is_better: bool = True,
    ready: Ready = lambda quantized: quantized,
) -> tuple[QuantizedNetwork, Mixture]:
    """Return the int8 network of `recipe` with as few layers in float as keep the drop within `max_drop`.

    And which they are.

    `evaluate` returns the metric of a network that answers inputs (N, ...). What simulation settles on is measured as
    the program itself, as `ready` (which lowers it, for instance) hands it back: that rounds between layers too. While
    it drops too much, the next most sensitive layer stays in float as well. DropNotReachedError as above.
    """
    batches = list(calibration_batches)
    full = recipe.apply(network, batches)
    mixture = choose_float_layers(SimulatedNetwork(full.prepared, full.learned), evaluate, max_drop, higher_is_better)
    sign, programs = 1.0 if higher_is_better else -1.0, list[SelectionTrial]()
    for skip in widening(mixture, higher_is_better):
        quantized = ready(recipe.skipping(skip).apply(network, batches) if skip else full)
        metric = evaluate(quantized)
        programs.append(SelectionTrial(skip, metric, sign * (mixture.sensitivity.floating - metric)))
        if programs[-1].drop <= max_drop:
            return quantized, replace(mixture, chosen=programs[-1], programs=tuple(programs))
    best = min(programs, key=lambda it: it.drop)
    raise DropNotReachedError(replace(mixture, chosen=best, programs=tuple(programs)), max_drop)


def widening(mixture: Mixture, higher_is_better: bool) -> Iterator[tuple[str, ...]]:
    """Return what simulation settled on, then one more layer in float each time, the most sensitive of the rest first.

    The last one leaves a single layer quantized.
    """
    rest = [row for row in mixture.sensitivity.layers if row.layer not in mixture.settled.skip]
    names = [row.layer for row in sorted(rest, key=lambda row: row.all_but, reverse=higher_is_better)]
    for count in range(len(names)):
        yield _in_order((*mixture.settled.skip, *names[:count]), mixture.sensitivity)


def _in_order(skip: tuple[str, ...], sensitivity: Sensitivity) -> tuple[str, ...]:
    """Return the same layers in the order they run."""
    return tuple(row.layer for row in sensitivity.layers if row.layer in skip)


def _unreached(best: SelectionTrial, max_drop: float) -> str:
    left = ", ".join(best.skip) or "no layer"
    return (
        f"No selection of layers keeps the drop within max_drop={max_drop:g}: the best found leaves "
        f"{left} in float and "
        f"drops by {best.drop:g} (to {best.metric:g}). Allow more, fine-tune (quantization=qat), or stay "
        f"in float."
    )
