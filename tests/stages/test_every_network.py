"""Every recipe on every choice of model=: works, close to float and wherever it should, or is refused with a way out.

Tiny random inputs; random weights of a size that deep networks don't answer 1e-10 with. The converted program runs as
it is: nothing is trained or compiled here.
"""

import math
from collections.abc import Callable

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.fx import GraphModule
from torchvision.models.mobilenetv2 import InvertedResidual, MobileNetV2

from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.graph.editing import copy_graph
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.recipes import (
    DynamicRecipe,
    QATRecipe,
    Recipe,
    StaticRecipe,
    quantize_captured,
)
from runner.config import catalog
from runner.config.compose import compose
from runner.errors import RunnerError
from runner.job.build import build
from runner.measure import nested
from runner.measure.error import sqnr
from runner.measure.nested import Nested

DIGITS = ("data=digits",)
TABLE = ("data=diabetes",)
# Recurrent networks are captured step by step: few steps keep this short.
NAMES = ("data=fake_names", "data.max_length=2")
RECURRENT = (*NAMES, "model.embedding=12", "model.hidden=16", "model.layers=1")
NARROW = (*NAMES, "model.width=32", "model.layers=1")
# choice of model= -> for each network of it: overrides, size of the image (None for a table or a name)
NETWORKS: dict[str, list[tuple[tuple[str, ...], int | None]]] = {
    "cnn": [(DIGITS, 16)],
    "efficientnet_lite0": [(DIGITS, 32)],
    "efficientnet_lite1": [(DIGITS, 32)],
    "efficientnet_lite2": [(DIGITS, 32)],
    "googlenet": [(DIGITS, 22)],
    "embedding_rnn": [(RECURRENT, None)],
    "edge_filter": [(("data=edges",), 16)],
    "gru": [(RECURRENT, None)],
    "linear": [(TABLE, None)],
    "localizer": [(("data=shapes_boxes", "task=localization", "model.channels=[8,8,16,16]"), 32)],
    "logistic": [(("data=hours",), None)],
    "lstm": [(RECURRENT, None)],
    "mamba": [(NARROW, None)],
    "mamba2": [(NARROW, None)],
    "mlp": [(DIGITS, 8)],
    "mobilenet_v1": [((*DIGITS, "model.width=0.25"), 32)],
    "mobilenet_v2": [((*DIGITS, "model.width=0.25"), 32)],
    "one_weight": [(("data=line",), None)],
    "resnet": [(DIGITS, 16)],
    "rnn": [(NAMES, None)],
    "rnn_cell": [(NAMES, None)],
    "sliding_window": [(DIGITS, 16)],
    "smp": [(("data=shapes_masks", "model.architecture=Unet"), 32)],
    "tabular_mlp": [(TABLE, None)],
    "timm": [((*DIGITS, "model.name=vit_tiny_patch16_224", "+model.depth=2"), 32)],
    "transformer": [(NARROW, None)],
    "ttt_linear": [(NARROW, None)],
    "torchvision": [
        ((*DIGITS, "model.name=mobilenet_v2"), 32),
        ((*DIGITS, "model.name=resnet18"), 32),
    ],
    "unet": [(("data=shapes_masks", "model.channels=[8,16]"), 16)],
    "yolo": [(("data=shapes_boxes", "model.channels=[8,8,16,16]", "model.width=16"), 32)],
}
# Eight bits on any machine: nothing is compiled here, so that no product can overflow.
STATIC = Numerics(reduce_range=False)
QAT = Numerics(activation_observer="moving_average", reduce_range=False)
RECIPES: dict[str, Recipe] = {
    "static": StaticRecipe(numerics=STATIC),
    "dynamic": DynamicRecipe(numerics=STATIC),
    "qat": QATRecipe(numerics=QAT),
}
# Networks of the same parts as another one, of which one recipe is enough, or none: gru, mamba and torchvision's
# mobilenet_v2 go through all.
FEWER = {
    "edge_filter": ("static",),
    "smp": ("static",),
    "embedding_rnn": ("dynamic",),
    "lstm": ("dynamic",),
    "mamba2": ("dynamic",),
    "efficientnet_lite0": ("qat",),
    "one_weight": ("dynamic",),
    # Lite0 with more of its blocks; the layers of torchvision's mobilenet_v2, value for value in version 2.
    **dict.fromkeys(("efficientnet_lite1", "efficientnet_lite2", "mobilenet_v1", "mobilenet_v2"), ()),
}
CASES = [
    (choice, index, recipe)
    for choice, networks in NETWORKS.items()
    for index in range(len(networks))
    for recipe in FEWER.get(choice, RECIPES)
]
REFUSED: dict[tuple[str, str], str] = {
    (choice, recipe): "Nothing to quantize by any recipe"
    for choice in ("rnn", "rnn_cell")
    for recipe in ("static", "dynamic", "qat")
} | {(choice, "dynamic"): "finds nothing to quantize" for choice in ("sliding_window", "unet", "yolo")}


def heavy(network: nn.Module, *types: type[nn.Module]) -> int:
    """Layers that a recipe reaches; of recurrent ones the product with the input, in each layer and direction."""
    recurrent = [module for module in network.modules() if isinstance(module, nn.RNNBase)]
    products = sum(module.num_layers * (2 if module.bidirectional else 1) for module in recurrent)
    return products + sum(isinstance(module, types) for module in network.modules())


@pytest.fixture(scope="module")
def built() -> Callable[[str, int], tuple[nn.Module, GraphModule, Tensor]]:
    """A network, a graph of it to use up, and an input batch; built and captured once for all recipes."""
    made: dict[tuple[str, int], tuple[nn.Module, GraphModule, Tensor]] = {}

    def get(choice: str, index: int) -> tuple[nn.Module, GraphModule, Tensor]:
        if (choice, index) not in made:
            overrides, size = NETWORKS[choice][index]
            sizes = [] if size is None else [f"data.image_size={size}"]
            config = compose([*overrides, f"model={choice}", *sizes]).config
            torch.manual_seed(0)
            network, inputs = build(config, "model"), some_inputs(config, size)
            network = kept_in_size(shortened(network))
            made[choice, index] = network, capture(network, inputs), inputs
        network, captured, inputs = made[choice, index]
        return network, copy_graph(captured), inputs

    return get


def some_inputs(config: DictConfig, size: int | None) -> Tensor:
    """Eight random rows, images, or names of one letter and more."""
    if config.data.kind == "sequence":
        tokens = torch.randint(97, 123, (8, config.data.max_length))
        tokens[:2, 1:] = 0
        return tokens
    return torch.randn(8, *((config.data.num_features,) if size is None else (config.data.channels, size, size)))


def shortened(network: nn.Module) -> nn.Module:
    """The network with at most two blocks a stage where it repeats them: every part, fewer of the same."""
    for stage in getattr(network, "blocks", ()):
        if isinstance(stage, nn.Sequential):
            del stage[2:]
    if isinstance(network, MobileNetV2):
        parts = list(network.features)
        repeated = [isinstance(each, InvertedResidual) and each.use_res_connect for each in parts]
        kept = [each for i, each in enumerate(parts) if not (repeated[i] and repeated[i - 1])]
        network.features = nn.Sequential(*kept)
    return network


def kept_in_size(network: nn.Module) -> nn.Module:
    """The network with convolutions that keep the size of what passes (He et al., 2015), in inference mode."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network.eval()


def apply(recipe: Recipe, network: nn.Module, captured: GraphModule, inputs: Tensor) -> QuantizedNetwork:
    """Do what `Recipe.apply` does from the capture on, which takes most of the time and is the same for all recipes."""
    if isinstance(recipe, QATRecipe):
        return recipe.finish(recipe.prepare(network, [inputs], captured=captured))
    return quantize_captured(recipe, network, captured, [inputs])


def test_every_choice_is_in_the_table():
    choices = catalog.choices([catalog.own_config_directory()])["model"]
    # Networks over nodes are in test_graph_networks.py of quantization/graph; those over whole graphs are refused.
    others = {name for name, each in choices.items() if not {"graph", "graphs"} & set(catalog.kinds(each.path))}
    refused = {name for name in others if "quantization" in OmegaConf.load(choices[name].path).get("refuses", {})}
    assert set(NETWORKS) == others - refused


@pytest.mark.parametrize(("choice", "index", "recipe"), CASES)
def test_works_or_is_refused(choice, index, recipe, built):
    network, captured, inputs = built(choice, index)
    if (choice, recipe) in REFUSED:
        with pytest.raises(RunnerError, match=REFUSED[choice, recipe]):
            apply(RECIPES[recipe], network, captured, inputs)
        return
    quantized = apply(RECIPES[recipe], network, captured, inputs)
    types = (nn.Linear,) if recipe == "dynamic" else (nn.Linear, nn.Conv2d)
    assert quantized.reach.reached == quantized.reach.expected == heavy(network, *types)
    assert heavy(network, *types) == 0 or quantized.reach.macs_share > 0
    assert sqnr(flat(network(inputs)), flat(quantized(inputs))) > 32 - 10 * math.log10(quantized.reach.reached)
    assert flat(quantized(inputs[:3])).shape == flat(network(inputs[:3])).shape


def flat(outputs: Nested) -> Tensor:
    """All numbers of each sample, of one tensor or of several."""
    return torch.cat([each.detach().flatten(1) for each in nested.tensors(outputs)], dim=1)
