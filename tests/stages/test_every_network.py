"""Every recipe on every choice of model=: works, close to float and wherever it should, or is refused with a way out.

Tiny random inputs; random weights of a size that deep networks don't answer 1e-10 with. The converted program runs as
it is: nothing is trained or compiled here.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from runner.build import build
from runner.compression.quantization.pt2e.analysis import sqnr
from runner.compression.quantization.pt2e.network import QuantizedNetwork
from runner.compression.quantization.pt2e.recipes import DynamicRecipe, QATRecipe, Recipe, StaticRecipe
from runner.config import catalog
from runner.config.compose import compose
from runner.errors import RunnerError

DIGITS = ("data=digits",)
TABLE = ("data=diabetes",)
# choice of model= -> for each network of it: overrides, size of the image (None for a table)
NETWORKS: dict[str, list[tuple[tuple[str, ...], int | None]]] = {
    "cnn": [(DIGITS, 16)],
    "efficientnet_lite0": [(DIGITS, 32)],
    "googlenet": [(DIGITS, 22)],
    "linear": [(TABLE, None)],
    "logistic": [(("data=hours",), None)],
    "mlp": [(DIGITS, 8)],
    "resnet": [(DIGITS, 16)],
    "tabular_mlp": [(TABLE, None)],
    "timm": [((*DIGITS, "model.name=vit_tiny_patch16_224", "+model.depth=2"), 32)],
    "torchvision": [
        ((*DIGITS, "model.name=mobilenet_v2"), 32),
        ((*DIGITS, "model.name=resnet18"), 32),
    ],
}
RECIPES: dict[str, Recipe] = {"static": StaticRecipe(), "dynamic": DynamicRecipe(), "qat": QATRecipe()}
CASES = [(choice, index) for choice, networks in NETWORKS.items() for index in range(len(networks))]
REFUSED: dict[tuple[str, str], str] = {}


def heavy(network: nn.Module, *types: type[nn.Module]) -> int:
    return sum(isinstance(module, types) for module in network.modules())


@pytest.fixture(scope="module")
def built() -> Callable[[str, int], tuple[nn.Module, Tensor]]:
    """A network with an input batch; built once for all recipes."""
    made: dict[tuple[str, int], tuple[nn.Module, Tensor]] = {}

    def get(choice: str, index: int) -> tuple[nn.Module, Tensor]:
        if (choice, index) not in made:
            overrides, size = NETWORKS[choice][index]
            sizes = [] if size is None else [f"data.image_size={size}"]
            config = compose([*overrides, f"model={choice}", *sizes]).config
            torch.manual_seed(0)
            shape = (config.data.num_features,) if size is None else (config.data.channels, size, size)
            network, inputs = build(config, "model"), torch.randn(8, *shape)
            made[choice, index] = kept_in_size(network), inputs
        return made[choice, index]

    return get


def kept_in_size(network: nn.Module) -> nn.Module:
    """The network with convolutions that keep the size of what passes (He et al., 2015), in inference mode."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network.eval()


def apply(recipe: str, network: nn.Module, inputs: Tensor) -> QuantizedNetwork:
    return RECIPES[recipe].apply(network, [inputs], fine_tune=lambda prepared: None)


def test_every_choice_is_in_the_table():
    choices = catalog.choices([catalog.own_config_directory()])["model"]
    # Networks over nodes are in tests/compression/test_pt2e_graphs.py; those over whole graphs are refused.
    others = {name for name, each in choices.items() if not {"graph", "graphs"} & set(catalog.kinds(each.path))}
    assert set(NETWORKS) == others


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(("choice", "index"), CASES)
def test_works_or_is_refused(choice, index, recipe, built):
    network, inputs = built(choice, index)
    if (choice, recipe) in REFUSED:
        with pytest.raises(RunnerError, match=REFUSED[choice, recipe]):
            apply(recipe, network, inputs)
        return
    quantized = apply(recipe, network, inputs)
    types = (nn.Linear,) if recipe == "dynamic" else (nn.Linear, nn.Conv2d)
    assert quantized.reach.reached == quantized.reach.expected == heavy(network, *types)
    assert heavy(network, *types) == 0 or quantized.reach.macs_share > 0
    assert sqnr(network(inputs).detach(), quantized(inputs)) > 32 - 10 * math.log10(quantized.reach.reached)
    assert quantized(inputs[:3]).shape == network(inputs[:3]).shape
