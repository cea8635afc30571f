"""Any network of timm by name, fitted to the data's channels, size and classes."""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
from timm.layers.patch_embed import PatchEmbed
from torch import nn

from runner.models.meta import building_on_meta, built_once, refuse_wrong_size, without_memory
from runner.models.weights import files

# What weights are called on the hub.
HUB_FILE = "model.safetensors"


def timm_model(
    name: str,
    in_channels: int,
    image_size: int,
    num_outputs: int,
    pretrained: bool = False,
    **kwargs: Any,
) -> nn.Module:
    """Build a network from float images (N, in_channels, image_size, image_size) to float (N, num_outputs).

    `pretrained` loads timm's weights, fitted by timm to channels and size: from RUNNER_WEIGHTS
    (`resnet18.a1_in1k.safetensors`) or the hub's cache, else downloaded; `kwargs` go to the library.
    Images that patches don't divide are padded with zeros to the next whole patch (timm would cut them).
    Raises ValueError for an unknown name or argument, for images that the network can't take, and when
    the weights can't be had. On the meta device no weights are loaded.
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
    return _trained(name, partial(build, image_size))


def _trained(name: str, build: Callable[..., nn.Module]) -> nn.Module:
    """Return the network with its weights: from a file that is there, else downloaded."""
    places = _places(name)
    found = files.first_of(places)
    ways = (
        "They come from the Hugging Face hub, which keeps them in its cache: connect once, or put the file into "
        f"{files.FOLDER}; or set model.pretrained=false to train from scratch."
    )
    if found is None and files.forbidden():
        raise files.missing(name, places, f"{files.FORBIDS} forbids to download them", ways)
    source = {} if found is None else {"pretrained_cfg_overlay": {"file": str(found), "custom_load": False}}
    try:
        return build(pretrained=True, **source)
    except Exception as error:  # the hub's client raises a different kind for each way of being offline
        if found is not None:
            raise ValueError(f"{found} can't be read as weights of {name} ({str(error).splitlines()[0]}).") from error
        raise files.missing(name, places, str(error), ways) from error


def _places(name: str) -> list[Path]:
    """Return where weights may lie: in RUNNER_WEIGHTS, as a file or a folder of their name, and in the hub's cache."""
    settings = timm.models.get_pretrained_cfg(name)
    hub = getattr(settings, "hf_hub_id", None) or ""
    whole = hub.rpartition("/")[2] or name
    own = files.own_places([f"{whole}.safetensors", f"{whole}/{HUB_FILE}", f"{whole}.pth"])
    cached = huggingface_hub.try_to_load_from_cache(hub, HUB_FILE) if hub.count("/") == 1 else None
    place = Path(cached) if isinstance(cached, str) else Path(huggingface_hub.constants.HF_HUB_CACHE) / whole
    return [*own, place]


def _build(name: str, arguments: dict[str, Any], size: int, **weights: Any) -> nn.Module:
    """Return timm's network for images of `size` pixels a side, its patches padded where they don't fit."""
    network = timm.create_model(name, img_size=size, **arguments, **weights)
    whole = _whole_patches(network, size)
    if whole == size:
        return network
    network = timm.create_model(name, img_size=whole, **arguments, **weights)
    _pad_patches(network, size, whole)
    return network


def _build_for_any_size(name: str, arguments: dict[str, Any], size: int, **weights: Any) -> nn.Module:
    """Return timm's network where the architecture asks for no size."""
    return timm.create_model(name, **arguments, **weights)


def _takes_size(name: str, arguments: dict[str, Any], size: int) -> bool:
    """Return whether the architecture is built for one image size."""
    try:
        with without_memory():
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
