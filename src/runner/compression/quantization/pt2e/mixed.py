"""Which few layers to leave in float so that the metric drops by no more than the user allows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from torch import Tensor, nn

from runner.compression.quantization.pt2e.network import QuantizedNetwork
from runner.compression.quantization.pt2e.recipes import Recipe
from runner.compression.quantization.pt2e.sensitivity import Evaluate, Sensitivity, measure_sensitivity
from runner.compression.quantization.pt2e.simulate import SimulatedNetwork
from runner.errors import RunnerError


@dataclass(frozen=True)
class Mixture:
    """Layers left in float, the metric reached (simulated) and its drop against float; `sensitivity` it came
    from."""

    skip: tuple[str, ...]
    metric: float
    drop: float
    sensitivity: Sensitivity


class DropNotReachedError(RunnerError):
    """No selection keeps the drop within bounds; `best` is the one that came nearest."""

    def __init__(self, message: str, best: Mixture) -> None:
        super().__init__(message)
        self.best = best


def choose_float_layers(
    network: SimulatedNetwork, evaluate: Evaluate, max_drop: float, higher_is_better: bool = True
) -> Mixture:
    """The smallest set of layers to leave in float with a drop of at most `max_drop` (in the metric's units).

    Sets of none and of one are tried exhaustively; beyond that, layers join one at a time, the most helpful
    first, and those that turn out not to be needed leave again: small, not provably the smallest.
    At least one layer stays quantized. DropNotReachedError, with the best found, when nothing suffices.
    """
    sensitivity = measure_sensitivity(network, evaluate)
    sign = 1.0 if higher_is_better else -1.0

    def mixture(skip: tuple[str, ...], metric: float) -> Mixture:
        return Mixture(skip, metric, sign * (sensitivity.floating - metric), sensitivity)

    def attempt(skip: tuple[str, ...]) -> Mixture:
        return mixture(skip, evaluate(network.activate(set(network.layers) - set(skip))))

    best = mixture((), sensitivity.quantized)
    tried = [mixture((row.layer,), row.all_but) for row in sensitivity.layers] if len(network.layers) > 1 else []
    step = best
    while step.drop > max_drop and tried:
        step = min(tried, key=lambda it: it.drop)
        best = min(best, step, key=lambda it: it.drop)
        rest = [name for name in network.layers if name not in step.skip]
        tried = [attempt((*step.skip, name)) for name in rest] if step.drop > max_drop and len(rest) > 1 else []
    if step.drop > max_drop:
        raise DropNotReachedError(_unreached(best, max_drop), best)
    for name in step.skip[:-1]:
        fewer = attempt(tuple(other for other in step.skip if other != name))
        step = fewer if fewer.drop <= max_drop else step
    order = {name: place for place, name in enumerate(network.layers)}
    return replace(step, skip=tuple(sorted(step.skip, key=order.__getitem__)))


def quantize_mixed(
    recipe: Recipe,
    network: nn.Module,
    calibration_batches: Iterable[Tensor],
    evaluate: Evaluate,
    max_drop: float,
    higher_is_better: bool = True,
) -> tuple[QuantizedNetwork, Mixture]:
    """The int8 network of `recipe` with as few layers in float as keep the drop within `max_drop`, and which
    they are.

    `evaluate` returns the metric of a network that answers inputs (N, ...). DropNotReachedError as above.
    """
    batches = list(calibration_batches)
    full = recipe.apply(network, batches)
    mixture = choose_float_layers(SimulatedNetwork(full.prepared), evaluate, max_drop, higher_is_better)
    return (recipe.skipping(mixture.skip).apply(network, batches) if mixture.skip else full), mixture


def _unreached(best: Mixture, max_drop: float) -> str:
    left = ", ".join(best.skip) or "no layer"
    return (
        f"No selection of layers keeps the drop within max_drop={max_drop:g}: the best found leaves "
        f"{left} in float and "
        f"drops by {best.drop:g} (to {best.metric:g}). Allow more, fine-tune (quantization=qat), or stay "
        f"in float."
    )
