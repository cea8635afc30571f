"""AdaRound: learn for each weight whether it is rounded up or down, layer by layer, against the layer's output."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import GraphModule

from runner.compression.quantization.corrections.layers import RoundedLayer, parameters_of, rounded_layers
from runner.compression.quantization.corrections.settings import AdaRound
from runner.compression.quantization.graph.interpreter import Reading
from runner.measure import nested
from runner.measure.nested import Nested

_ZETA, _GAMMA = 1.1, -0.1  # the sigmoid is stretched to this interval and clipped to [0, 1]
_FIRST_BETA, _LAST_BETA = 20.0, 2.0
_WARM_UP = 0.2  # share of the iterations without regulariser


@dataclass(frozen=True)
class Rounded:
    """Numbers of layers that learned and of weights that no longer go to the nearest point."""

    layers: int
    turned: int
    weights: int

    def __str__(self) -> str:
        return f"{self.layers} layers, {self.turned / max(self.weights, 1):.1%} of their weights turned"


def learn_rounding(
    prepared: GraphModule, batches: Sequence[Nested], learned: dict[str, Tensor], settings: AdaRound
) -> Rounded:
    """Add to `learned` (parameter name -> value) the weights of each layer of `prepared` at the points learned.

    Nagel et al. 2020, "Up or down? Adaptive rounding for post-training quantization", equation 25: asymmetric (inputs
    from the network as rounded so far, outputs of the float one), the activation that follows included. Layers learn
    in the order they run; each reads its inputs and outputs for `batches` anew, so that beside the network and what
    was learned only the activations of the layer at work are kept.
    """
    floating, rounding = Reading(prepared), Reading(prepared, True, learned)
    turned = weights = 0
    layers = rounded_layers(prepared)
    for layer in layers:
        weight, bias = parameters_of(prepared, layer)
        bias = learned.get(layer.bias, bias) if layer.bias else None
        pieces = list(_pieces(layer, floating, rounding, batches))
        chosen = learn_layer(layer, weight, bias, pieces, settings, nested.samples(batches[0]))
        nearest = layer.grid.round(weight)
        turned += int((chosen != nearest).sum())
        weights += weight.numel()
        learned[layer.weight] = chosen
    return Rounded(len(layers), turned, weights)


def learn_layer(
    layer: RoundedLayer,
    weight: Tensor,
    bias: Tensor | None,
    pieces: Sequence[tuple[Tensor, Tensor]],
    settings: AdaRound,
    samples: int,
) -> Tensor:
    """Return `weight`, each value at one of the two points of the grid around it.

    `pieces`: inputs of the layer and the outputs wanted, (rows, …) each, for `samples` samples each. Where what was
    learned is no better on them than the nearest points, those are returned.
    """
    scale, zero = layer.grid.along(weight)
    steps = weight / scale + zero
    below = steps.floor()
    variable = _inverse(steps - below).requires_grad_()
    nearest = layer.grid.round(weight)
    usual = _error(layer, nearest, bias, pieces)
    if usual == 0:
        return nearest
    per_weight = weight.numel() / usual
    optimizer = torch.optim.Adam([variable], lr=settings.lr)
    for iteration, (inputs, wanted) in enumerate(_draw(pieces, settings, samples)):
        up = _rectified(variable)
        soft = ((below + up).clamp(layer.grid.low, layer.grid.high) - zero) * scale
        missed = (layer.activation(layer(inputs, soft, bias)) - layer.activation(wanted)).square().mean()
        loss = per_weight * missed
        if (beta := _beta(iteration / settings.iterations)) is not None:
            loss = loss + settings.regularization * (1 - (2 * up - 1).abs().pow(beta)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        chosen = ((below + (variable >= 0)).clamp(layer.grid.low, layer.grid.high) - zero) * scale
    return chosen if _error(layer, chosen, bias, pieces) < usual else nearest


def _pieces(
    layer: RoundedLayer, floating: Reading, rounding: Reading, batches: Sequence[Nested]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield rounded inputs and float outputs of `layer`, batch by batch."""
    source = layer.node.args[0]
    for batch in batches:
        yield rounding.value(source, batch), floating.value(layer.node, batch)  # type: ignore[arg-type]


def _draw(pieces: Sequence[tuple[Tensor, Tensor]], settings: AdaRound, samples: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield as many random rows of a random piece as `batch_size` samples have, for every iteration.

    The generator is its own: the run's random numbers stay untouched.
    """
    share = settings.batch_size / samples
    generator = torch.Generator().manual_seed(0)
    sizes = torch.tensor([float(len(inputs)) for inputs, _ in pieces])
    for _ in range(settings.iterations):
        inputs, wanted = pieces[int(torch.multinomial(sizes, 1, generator=generator))]
        rows = torch.randperm(len(inputs), generator=generator)[: max(1, round(share * len(inputs)))]
        yield inputs[rows], wanted[rows]


@torch.no_grad()
def _error(layer: RoundedLayer, weight: Tensor, bias: Tensor | None, pieces: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Return the mean squared error of the output behind the activation."""
    total, count = 0.0, 0
    for inputs, wanted in pieces:
        missed = layer.activation(layer(inputs, weight, bias)) - layer.activation(wanted)
        total, count = total + float(missed.square().sum()), count + missed.numel()
    return total / count


def _rectified(variable: Tensor) -> Tensor:
    """Return h(V): from 0 (down) to 1 (up); equation 23."""
    return (variable.sigmoid() * (_ZETA - _GAMMA) + _GAMMA).clamp(0, 1)


def _inverse(share: Tensor) -> Tensor:
    """Return the V with h(V) = `share`."""
    return torch.logit((share - _GAMMA) / (_ZETA - _GAMMA))


def _beta(progress: float) -> float | None:
    """Return the exponent of the regulariser (equation 24), annealed from 20 to 2 behind the warm-up."""
    if progress < _WARM_UP:
        return None
    done = (progress - _WARM_UP) / (1 - _WARM_UP)
    return _LAST_BETA + (_FIRST_BETA - _LAST_BETA) * (1 - done)
