"""AdaRound and bias correction: exact in the program, better than nearest, and no more memory than promised."""

import copy
import gc

import pytest
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from runner.compression.quantization.corrections import adaround
from runner.compression.quantization.corrections.adaround import AdaRound, learn_layer, learn_rounding
from runner.compression.quantization.corrections.bias import correct_biases
from runner.compression.quantization.corrections.layers import RoundedLayer, parameters_of, rounded_layers
from runner.compression.quantization.graph.interpreter import Reading, RoundingGrid
from runner.compression.quantization.graph.operators import heavy_nodes
from runner.compression.quantization.program.convert import convert

QUICK = AdaRound(iterations=60, batch_size=16)


@pytest.fixture(scope="module")
def learned(calibrated: GraphModule, shown: list[Tensor]) -> dict[str, Tensor]:
    """The calibrated network's weights after learned rounding, its biases after correction."""
    values: dict[str, Tensor] = {}
    learn_rounding(calibrated, shown, values, QUICK)
    correct_biases(calibrated, shown, values)
    return values


@pytest.fixture(scope="module")
def program(calibrated: GraphModule, learned: dict[str, Tensor], shown: list[Tensor]) -> GraphModule:
    return convert(calibrated, shown[0], learned)


def test_the_program_holds_exactly_the_learned_integers(
    calibrated: GraphModule, learned: dict[str, Tensor], program: GraphModule
) -> None:
    layers = rounded_layers(calibrated)
    nodes = heavy_nodes(program)
    assert len(layers) == len(nodes) == 8
    turned = 0
    for layer, node in zip(layers, nodes, strict=True):
        dequantize = node.args[1]
        integers = getattr(program, dequantize.args[0].target)  # type: ignore[union-attr, arg-type]
        assert integers.dtype == torch.int8
        weight, _ = parameters_of(calibrated, layer)
        scale, _ = layer.grid.along(weight)
        assert torch.equal(integers, (learned[layer.weight] / scale).round().to(torch.int8))
        turned += int((integers != (weight / scale).round().clamp(-128, 127)).sum())
    assert turned > 100


def test_every_weight_goes_to_one_of_the_two_points_beside_it(
    calibrated: GraphModule, learned: dict[str, Tensor]
) -> None:
    for layer in rounded_layers(calibrated):
        weight, _ = parameters_of(calibrated, layer)
        scale, _ = layer.grid.along(weight)
        steps, chosen = weight / scale, learned[layer.weight] / scale
        inside = (steps > layer.grid.low) & (steps < layer.grid.high)  # the others are clipped
        assert float((steps - chosen)[inside].abs().max()) < 1.001


def test_reading_under_rounding_is_what_the_program_computes(
    calibrated: GraphModule, learned: dict[str, Tensor], program: GraphModule, unseen: Tensor
) -> None:
    simulated = Reading(calibrated, True, learned).outputs(unseen)
    torch.testing.assert_close(simulated, program(unseen), rtol=1e-5, atol=1e-5)


def test_after_correction_every_layer_has_the_float_means(
    calibrated: GraphModule, learned: dict[str, Tensor], shown: list[Tensor]
) -> None:
    samples = torch.cat(shown)
    for layer in rounded_layers(calibrated):
        wanted = Reading(calibrated).value(layer.node, samples)
        before = Reading(calibrated, True).value(layer.node, samples)
        after = Reading(calibrated, True, learned).value(layer.node, samples)
        off, still = (
            float((value - wanted).movedim(layer.channel_axis, 0).flatten(1).mean(1).abs().max())
            for value in (before, after)
        )
        assert still < 1e-5
        assert off > still


def test_coarse_weights_gain_from_learned_rounding() -> None:
    """4-bit weights over correlated inputs: nearest rounding of each weight alone is far from the best."""
    generator = torch.Generator().manual_seed(0)
    mixing, weight = torch.randn(4, 32, generator=generator), torch.randn(16, 32, generator=generator)
    inputs = torch.randn(256, 4, generator=generator) @ mixing
    graph = torch.fx.Graph()
    node = graph.call_function(torch.ops.aten.linear.default, (graph.placeholder("x"), graph.placeholder("w")))
    scale = weight.abs().amax(1) / 7.5
    layer = RoundedLayer(node, "w", None, RoundingGrid(scale, torch.zeros(16, dtype=torch.int32), -8, 7, 0))
    wanted = inputs @ weight.T
    pieces = [(inputs, wanted)]
    state = torch.get_rng_state()
    chosen = learn_layer(layer, weight, None, pieces, AdaRound(iterations=300), 256)
    again = learn_layer(layer, weight, None, pieces, AdaRound(iterations=300), 256)
    assert torch.equal(chosen, again)
    assert torch.equal(torch.get_rng_state(), state)
    errors = [float((inputs @ rounded.T - wanted).square().mean()) for rounded in (layer.grid.round(weight), chosen)]
    assert errors[1] < 0.25 * errors[0]


def test_where_nothing_is_learned_the_nearest_points_stay() -> None:
    graph = torch.fx.Graph()
    node = graph.call_function(torch.ops.aten.linear.default, (graph.placeholder("x"), graph.placeholder("w")))
    layer = RoundedLayer(node, "w", None, RoundingGrid(torch.ones(2), torch.zeros(2, dtype=torch.int32), -8, 7, 0))
    weight = torch.tensor([[0.2, 1.9], [3.1, -2.2]])
    inputs = torch.eye(2).repeat(8, 1)  # every weight alone: nothing beats the nearest
    chosen = learn_layer(layer, weight, None, [(inputs, inputs @ weight.T)], QUICK, 16)
    assert torch.equal(chosen, weight.round())


def tensors_alive() -> dict[int, int]:
    """Bytes of every storage some tensor holds, by address."""
    alive = [each for each in gc.get_objects() if type(each) in (Tensor, nn.Parameter) and each.layout is torch.strided]
    storages = [each.untyped_storage() for each in alive]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def test_learning_keeps_the_learned_weights_and_one_layers_activations(
    calibrated: GraphModule, shown: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = sum(each.nbytes for each in calibrated.parameters())
    batches = [each.repeat(2, 1, 1, 1) for each in shown]  # activations far above the weights
    before, extra, whole = tensors_alive(), list[int](), list[int]()

    def measure(layer: RoundedLayer, weight: Tensor, bias: Tensor, pieces: list, *rest: object) -> Tensor:  # type: ignore[type-arg]
        own = sum(each.nbytes for pair in pieces for each in pair)
        now = {address: size for address, size in tensors_alive().items() if address not in before}
        extra.append(sum(now.values()) - own)
        whole.append(own)
        return layer.grid.round(weight)

    monkeypatch.setattr(adaround, "learn_layer", measure)
    learn_rounding(calibrated, batches, {}, QUICK)
    assert max(extra) < 1.5 * weights  # what was learned so far, the grids, and nothing else
    assert sum(whole) > 100 * weights  # had all activations been kept


def test_the_network_given_is_not_touched(calibrated: GraphModule, learned: dict[str, Tensor], unseen: Tensor) -> None:
    untouched = copy.deepcopy(calibrated)
    convert(calibrated, unseen[:2], learned)
    for name, parameter in calibrated.named_parameters():
        assert torch.equal(parameter, untouched.get_parameter(name))
    assert any(not torch.equal(value, calibrated.get_parameter(name)) for name, value in learned.items())
