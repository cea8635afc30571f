"""Any classification network of torchvision by name, fitted to the data's channels, size and classes."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision.models import WeightsEnum

from runner.models.meta import building_on_meta, built_once, refuse_wrong_size
from runner.models.surgery import drop_auxiliary_heads, fit_first_convolution, replace_head

SIZE_SETTINGS = frozenset({"image_size", "input_size"})


def torchvision_model(
    name: str,
    in_channels: int,
    image_size: int,
    num_outputs: int,
    weights: str | None = None,
    **kwargs: Any,
) -> nn.Module:
    """Build a network from float images (N, in_channels, image_size, image_size) to float (N, num_outputs).

    `weights` names trained weights ("DEFAULT", "IMAGENET1K_V1"): all but the head is then kept, and the
    first convolution is fitted to `in_channels`. Auxiliary heads are off. `kwargs` go to the library.
    Raises ValueError for an unknown name, weights or argument, for images that the network can't take,
    and when the weights can't be downloaded. On the meta device no weights are loaded.
    """
    builder = _builder(name)
    chosen = None if weights is None else _weights(name, weights)

    def build(size: int) -> nn.Module:
        network = _built(builder, num_classes=num_outputs, **(_settings(builder, size) | kwargs))
        fit_first_convolution(network, in_channels)
        return network

    settings = _settings(builder, image_size) | kwargs
    takes_size = bool(SIZE_SETTINGS & settings.keys())
    if chosen is not None and takes_size:
        _refuse_other_size(name, chosen, image_size)
    try:
        refuse_wrong_size(name, build if takes_size else built_once(build), in_channels, image_size)
    except TypeError as error:
        raise ValueError(f"torchvision's {name} refuses its arguments: {error}.") from error
    if chosen is None or building_on_meta():
        return build(image_size)
    network = _trained(name, builder, chosen, settings, in_channels)
    fit_first_convolution(network, in_channels)
    replace_head(network, num_outputs)
    return network


def _builder(name: str) -> Callable[..., nn.Module]:
    """Return the library's function for `name`; ValueError with the nearest names when there is none."""
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = ", ".join(get_close_matches(name, known, cutoff=0.5)) or "resnet18, mobilenet_v2, vit_b_16"
        raise ValueError(f"torchvision has no classification network {name!r}. Nearest: {near}.")
    return torchvision.models.get_model_builder(name)


def _built(builder: Callable[..., nn.Module], **arguments: Any) -> nn.Module:
    """Return `builder(**arguments)`, also on the meta device."""
    try:
        return builder(**arguments)
    except NotImplementedError:
        if not building_on_meta():
            raise
        with torch.device("cpu"):  # RegNet computes its widths with tensors, which hold nothing on meta
            network = builder(**arguments)
        return network.to("meta")


def _settings(builder: Callable[..., nn.Module], size: int) -> dict[str, Any]:
    """Return the parameters of the class behind `builder` besides the number of classes."""
    ours = {
        "aux_logits": False,
        "image_size": size,
        "input_size": (size, size),
        "init_weights": True,  # torchvision warns when this is left open
    }
    accepted = inspect.signature(inspect.signature(builder).return_annotation).parameters
    return {key: value for key, value in ours.items() if key in accepted}


def _weights(name: str, weights: str) -> WeightsEnum:
    """Return the library's entry for "IMAGENET1K_V1" or "ResNet18_Weights.IMAGENET1K_V1"; ValueError otherwise."""
    known = torchvision.models.get_model_weights(name)
    try:
        return known[weights.rpartition(".")[2]]
    except KeyError:
        names = ", ".join(known.__members__)
        raise ValueError(f"{name} has no weights {weights!r}: choose from {names}, or null.") from None


def _refuse_other_size(name: str, weights: WeightsEnum, image_size: int) -> None:
    """Raise ValueError when the network is built for one size and its weights are for another."""
    trained_size = weights.meta["min_size"][0]
    if image_size != trained_size:
        raise ValueError(
            f"The weights of {name} are for images of {trained_size}x{trained_size}: "
            f"set data.image_size={trained_size}, or model.weights=null to train from scratch."
        )


def _trained(
    name: str,
    builder: Callable[..., nn.Module],
    weights: WeightsEnum,
    settings: dict[str, Any],
    in_channels: int,
) -> nn.Module:
    """Return the network as it was trained, with its own head; downloaded, or taken from torch.hub's folder."""
    arguments = {key: value for key, value in settings.items() if key != "init_weights"}
    if "aux_logits" in arguments:
        arguments["aux_logits"] = True  # the weights hold the auxiliary heads
    try:
        network = builder(weights=weights, **arguments)
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"The weights {weights} of {name} could not be had ({error}). Download {weights.url} "
            f"into {torch.hub.get_dir()}/checkpoints, or set model.weights=null to train from scratch."
        ) from error
    drop_auxiliary_heads(network)
    if in_channels != 3 and hasattr(network, "transform_input"):
        network.transform_input = False  # type: ignore[assignment]  # it takes red, green and blue apart
    return network
