"""Any network of timm by name, fitted to the data's channels, size and classes."""

from difflib import get_close_matches
from functools import partial
from typing import Any

import timm
import torch
from timm.layers.patch_embed import PatchEmbed
from torch import nn

from runner.models.meta import building_on_meta, built_once, refuse_wrong_size


def timm_model(
    name: str,
    in_channels: int,
    image_size: int,
    num_outputs: int,
    pretrained: bool = False,
    **kwargs: Any,
) -> nn.Module:
    """Build a network from float images (N, in_channels, image_size, image_size) to float (N, num_outputs).

    `pretrained` loads timm's weights, fitted by timm to channels and size; `kwargs` go to the library.
    Images that patches don't divide are padded with zeros to the next whole patch (timm would cut them).
    Raises ValueError for an unknown name or argument, for images that the network can't take, and when
    the weights can't be downloaded. On the meta device no weights are loaded.
    """
    _refuse_unknown(name)
    arguments = {"in_chans": in_channels, "num_classes": num_outputs, **kwargs}
    try:
        takes_size = _takes_size(name, arguments, image_size)
        build = partial(_build if takes_size else _build_for_any_size, name, arguments)
        trial = build if takes_size else built_once(build)
        refuse_wrong_size(name, trial, in_channels, image_size)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"timm's {name} refuses its arguments: {error}.") from error
    if not pretrained or building_on_meta():
        return build(image_size)
    try:
        return build(image_size, pretrained=True)
    except Exception as error:  # the hub's client raises a different kind for each way of being offline
        raise ValueError(
            f"The weights of {name} could not be had ({error}). "
            "They come from the Hugging Face hub and are kept in its cache: connect once, "
            "or set model.pretrained=false to train from scratch."
        ) from error


def _build(name: str, arguments: dict[str, Any], size: int, pretrained: bool = False) -> nn.Module:
    """Return timm's network for images of `size` pixels a side, its patches padded where they don't fit."""
    network = timm.create_model(name, pretrained=pretrained, img_size=size, **arguments)
    whole = _whole_patches(network, size)
    if whole == size:
        return network
    network = timm.create_model(name, pretrained=pretrained, img_size=whole, **arguments)
    _pad_patches(network, size, whole)
    return network


def _build_for_any_size(name: str, arguments: dict[str, Any], size: int, pretrained: bool = False) -> nn.Module:
    """Return timm's network where the architecture asks for no size."""
    return timm.create_model(name, pretrained=pretrained, **arguments)


def _takes_size(name: str, arguments: dict[str, Any], size: int) -> bool:
    """Return whether the architecture is built for one image size."""
    try:
        with torch.device("meta"):
            timm.create_model(name, img_size=size, **arguments)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return False
    except (AssertionError, ValueError, RuntimeError, ZeroDivisionError):
        return True  # it looked at the size and didn't like it
    return True


def _whole_patches(network: nn.Module, size: int) -> int:
    """Return `size` rounded up to a multiple of the patch, where the network cuts images into patches."""
    patches = [module.patch_size[0] for module in network.modules() if isinstance(module, PatchEmbed)]
    patch = max(patches, default=1)
    return -(-size // patch) * patch


def _pad_patches(network: nn.Module, size: int, whole: int) -> None:
    """Let a network for `whole` pixels a side take `size`: its patch convolution pads the difference."""
    for module in network.modules():
        if isinstance(module, PatchEmbed):
            margin = -(-(whole - size) // 2)
            module.proj.padding = (margin, margin)
            module.img_size = (size, size)


def _refuse_unknown(name: str) -> None:
    """Raise ValueError, with the nearest names, when timm has no network, or no weights, of this name."""
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = get_close_matches(architecture, timm.list_models(), cutoff=0.5)
        names = ", ".join(near) or "resnet18, vit_tiny_patch16_224, mobilenetv3_small_050"
        raise ValueError(f"timm has no network {name!r}. Nearest: {names}.")
    tagged = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in tagged:
        raise ValueError(f"timm has no weights {name!r}: choose from {', '.join(tagged) or architecture}.")
