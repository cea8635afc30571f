"""SmoothQuant: which layers take ranges over, that the function stays, and what it brings."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from runner.compression.quantization.corrections.corrections import Corrections
from runner.compression.quantization.corrections.smooth import find_smoothable, smooth
from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.graph.operators import layer
from runner.compression.quantization.recipes import StaticRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr
from runner.models.transformer import Transformer


def outlying(network: nn.Module) -> nn.Module:
    """Two features behind every normalisation but the last 30 times as large, as trained transformers have them."""
    for name, module in network.named_modules():
        if isinstance(module, nn.LayerNorm) and name not in ("norm", "encoder.ln"):
            module.weight.data[:2] *= 30
    return network.eval()


@pytest.fixture(scope="module")
def transformer() -> nn.Module:
    torch.manual_seed(0)
    network = outlying(Transformer(20, 4, max_length=12, width=16, heads=2, layers=1))
    for module in network.modules():
        if isinstance(module, nn.Linear) and module.in_features == 16:
            module.weight.data[:, :2] /= 30  # what reads them has learned to live with it
    return network


def tokens(seed: int) -> Tensor:
    return torch.randint(0, 20, (24, 12), generator=torch.Generator().manual_seed(seed))


def test_the_transformers_function_stays(transformer: nn.Module) -> None:
    graph, expected = capture(transformer, tokens(0)), transformer(tokens(1))
    done = smooth(graph, [tokens(0)], 0.5)
    assert (done.norms, done.linears) == (2, 4)  # queries, keys and values; the perceptron. The last norm is averaged
    assert float((graph(tokens(1)) - expected).abs().max() / expected.abs().max()) < 1e-4


def test_the_vision_transformers_function_stays_through_its_fused_projection() -> None:
    torch.manual_seed(0)
    network = outlying(VisionTransformer(16, 8, 1, 2, 16, 32, num_classes=10))
    nn.init.normal_(network.heads.head.weight)  # zeros, as it is made
    images = torch.randn(4, 3, 16, 16)
    graph, expected = capture(network, images), network(images)
    found = [[layer(linear) for linear in linears] for linears in find_smoothable(graph).values()]
    block = "encoder.layers.encoder_layer_0"
    assert found == [[f"{block}.self_attention"], [f"{block}.mlp.0"], ["heads.head"]]
    smooth(graph, [images], 0.5)
    assert float((graph(images) - expected).abs().max() / expected.abs().max()) < 1e-4


def test_alpha_decides_who_carries_the_range() -> None:
    torch.manual_seed(0)
    network, rows = outlying(nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8))), torch.randn(64, 8)
    spread = {}
    for alpha in (0.0, 1.0):
        graph = capture(network, rows)
        smooth(graph, [rows], alpha)
        (norm,) = (node for node in graph.graph.nodes if "layer_norm" in str(node.target))
        gain = graph.get_parameter("0.weight")
        behind = nn.functional.layer_norm(rows, (8,), gain, graph.get_parameter("0.bias")).abs().amax(0)
        weight = graph.get_parameter("1.weight").abs().amax(0)
        spread[alpha] = [float(peaks.max() / peaks.min()) for peaks in (behind, weight)]
        assert norm.users
    assert spread[0.0][1] == pytest.approx(1, abs=1e-3)
    assert spread[1.0][0] == pytest.approx(1, abs=1e-3)


def test_outlying_features_gain_at_least_three_decibels(transformer: nn.Module) -> None:
    calibration, expected = [tokens(0), tokens(2)], transformer(tokens(1))
    without = StaticRecipe().apply(transformer, calibration)
    corrected = StaticRecipe(corrections=Corrections(smooth=0.5)).apply(transformer, calibration)
    assert sqnr(expected, corrected(tokens(1))) - sqnr(expected, without(tokens(1))) > 3


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)),
        nn.Sequential(nn.LayerNorm(8, elementwise_affine=False), nn.Linear(8, 8)),
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
    ],
    ids=["no norm", "no gain", "norm behind the addition"],
)
def test_a_network_with_nothing_to_smooth_is_refused_in_words(network: nn.Module) -> None:
    rows = torch.randn(4, 3, 8) if isinstance(network, nn.TransformerEncoderLayer) else torch.randn(4, 8)
    with pytest.raises(RunnerError, match=r"smooth finds no LayerNorm or RMSNorm .* Leave it out"):
        smooth(capture(network.eval(), rows), [rows], 0.5)
