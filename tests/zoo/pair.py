"""One pair of a network and a recipe: whether the preflight lets it through, and how near the int8 program comes."""

import time
import traceback
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.quantization.graph.interpreter import Reading
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.qat import FakeQuantizedNetwork
from runner.compression.quantization.recipes import DynamicRecipe, QATRecipe, Recipe, StaticRecipe
from runner.errors import RunnerError
from runner.measure.error import sqnr
from runner.models.timm import timm_model
from runner.models.torchvision import torchvision_model
from tests.zoo import ENOUGH, Member

_RECIPES: dict[str, Recipe] = {"ptq_static": StaticRecipe(), "qat": QATRecipe(), "ptq_dynamic": DynamicRecipe()}
_BUILDERS = {"torchvision": torchvision_model, "timm": timm_model}
_CLASSES, _SAMPLES = 10, 8
# For the settled statistics of batch norms: passes over fresh images.
_PASSES = 4


def walk(member: Member, recipe: str) -> dict[str, Any]:
    """Return the row of one pair: outcome (works, inexact, refused, failed), why, dB, share of int8 work, seconds."""
    torch.manual_seed(0)
    began = time.monotonic()
    row: dict[str, Any] = {"outcome": "works", "why": ""}
    try:
        network = settled(built(member), member.size)
        row |= quantized(network, images(member.size), images(member.size), recipe)
    except RunnerError as error:
        row |= {"outcome": "refused", "why": str(error)}
    except Exception as error:
        traceback.print_exc()
        row |= {
            "outcome": "failed",
            "why": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        }
    return {**row, "seconds": round(time.monotonic() - began)}


def built(member: Member) -> nn.Module:
    """The network as `model=torchvision` and `model=timm` build it, with random weights."""
    return _BUILDERS[member.library](member.name, 3, member.size, _CLASSES, **member.arguments)


def images(size: int) -> Tensor:
    return torch.randn(_SAMPLES, 3, size, size)


def settled(network: nn.Module, size: int) -> nn.Module:
    """The network with batch-norm statistics that are those of its inputs, in inference mode."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        if norm.weight is not None and not norm.weight.any():
            nn.init.ones_(norm.weight)  # what libraries begin residual branches with, and training leaves at once
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all passes
    with torch.no_grad():
        for _ in range(_PASSES if norms else 0):
            network.train()(images(size))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return network.eval()


def quantized(network: nn.Module, seen: Tensor, fresh: Tensor, name: str) -> dict[str, Any]:
    """Quantize as a run does: the preflight before training, which traces the kernels, then the recipe itself."""
    recipe = _RECIPES[name]
    recipe.preflight(network, seen)
    try:
        program = recipe.apply(network, [seen], fine_tune=one_step)
    except RunnerError as error:  # too late: the training is over
        return {"outcome": "failed", "why": f"refused after training: {error}"}
    db = sqnr(floating(program, network, fresh, name), program(fresh))
    found = {"sqnr_db": round(db, 1), "share": program.reach.macs_share, "operators": program.reach.reached}
    return found | ({} if db >= ENOUGH else {"outcome": "inexact"})


def one_step(network: FakeQuantizedNetwork) -> None:
    """One step of fine-tuning, on the samples the network carries."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)
    network.train()
    network(network.example).square().mean().backward()
    optimizer.step()
    network.eval()


def floating(program: QuantizedNetwork, network: nn.Module, inputs: Tensor, name: str) -> Tensor:
    """What the same weights answer in float: for QAT the fine-tuned ones, without rounding."""
    if name == "qat":
        return Reading(program.prepared).outputs(inputs)
    with torch.no_grad():
        return network(inputs)
