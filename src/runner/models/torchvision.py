"""Any classification network of torchvision by name, fitted to the data's channels, size and classes."""

import inspect
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision.models import WeightsEnum

from runner.models.meta import building_on_meta, built_once, refuse_wrong_size
from runner.models.surgery import drop_auxiliary_heads, fit_first_convolution, replace_head
from runner.models.weights import files

SIZE_SETTINGS = frozenset({"image_size", "input_size"})


def torchvision_model(
    name: str,
    in_channels: int,
    image_size: int,
    num_outputs: int,
    weights: str | None = None,
    pretrained: bool = False,
    **kwargs: Any,
) -> nn.Module:
    """Build a network from float images (N, in_channels, image_size, image_size) to float (N, num_outputs).

    `weights` names trained weights ("DEFAULT", "IMAGENET1K_V1"), `pretrained` stands for the default ones: all but
    the head is then kept, and the first convolution is fitted to `in_channels`. Their file is taken from
    RUNNER_WEIGHTS or torch.hub's folder, else downloaded; its SHA-256 must begin as its name says.
    Auxiliary heads are off. `kwargs` go to the library.
    Raises ValueError for an unknown name, weights or argument, for images that the network can't take,
    and when the weights can't be had. On the meta device no weights are loaded.
    """
    builder = _builder(name)
    chosen = chosen_weights(name, weights, pretrained)

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


def chosen_weights(name: str, weights: str | None, pretrained: bool) -> WeightsEnum | None:
    """Return the library's entry for "IMAGENET1K_V1" or "ResNet18_Weights.IMAGENET1K_V1", None for no weights.

    Raises:
        ValueError: it has no weights of this name.
    """
    if weights is None and not pretrained:
        return None
    weights = weights or "DEFAULT"
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
    state = _state(name, weights)
    with _given(state):
        network = builder(weights=weights, **arguments)
    drop_auxiliary_heads(network)
    if in_channels != 3 and hasattr(network, "transform_input"):
        network.transform_input = False  # type: ignore[assignment]  # it takes red, green and blue apart
    return network


def _state(name: str, weights: WeightsEnum) -> dict[str, Any]:
    """Return the tensors of the weights' file, which is downloaded where it is neither of one's own nor torch.hub's."""
    file = weights.url.rpartition("/")[2]
    places = [*files.own_places([file]), Path(f"{torch.hub.get_dir()}/checkpoints/{file}")]
    found = files.first_of(places)
    ways = f"Download {weights.url} into {places[0].parent}, or set model.weights=null to train from scratch."
    if found is None and files.forbidden():
        raise files.missing(f"{name} ({weights})", places, f"{files.FORBIDS} forbids to download them", ways)
    try:
        state: dict[str, Any] = (
            weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
            if found is None
            else torch.load(found, weights_only=True, map_location="cpu")
        )
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        if found is not None:
            raise ValueError(f"{found} can't be read as weights ({str(error).splitlines()[0]}). {ways}") from error
        raise files.missing(f"{name} ({weights})", places, str(error), ways) from error
    return state


@contextmanager
def _given(state: dict[str, Any]) -> Iterator[None]:
    """Within this context the library's builders get this state where they would fetch a file.

    They rename what old files hold, and would unpickle anything.
    """
    before = WeightsEnum.get_state_dict
    WeightsEnum.get_state_dict = lambda *_, **__: state
    try:
        yield
    finally:
        WeightsEnum.get_state_dict = before
