"""Any segmenter of segmentation_models_pytorch by name, fitted to the data's channels, size and classes."""

from functools import partial
from typing import Any

from torch import nn

from runner.models.meta import building_on_meta, built_once, refuse_wrong_size

INSTALL = "pip install 'runner[smp]'"


def smp_model(
    architecture: str,
    encoder: str,
    in_channels: int,
    image_size: int,
    num_outputs: int,
    pretrained: bool = False,
    **kwargs: Any,
) -> nn.Module:
    """Build a network from float images (N, in_channels, image_size, image_size) to logits of the same size.

    `architecture` is a decoder (Unet, FPN, DeepLabV3Plus, Segformer …), `encoder` its trunk, any that the library or,
    as tu-NAME, timm has; `pretrained` loads the encoder's ImageNet weights; `kwargs` go to the library.
    Raises ValueError where the library is missing, for an unknown name or argument, for images that the network can't
    take, and when the weights can't be downloaded. On the meta device no weights are loaded.
    """
    try:
        import segmentation_models_pytorch as library
    except ImportError as error:
        raise ValueError(f"model=smp needs segmentation_models_pytorch: {INSTALL}") from error

    build = partial(
        library.create_model,
        architecture,
        encoder_name=encoder,
        in_channels=in_channels,
        classes=num_outputs,
        **kwargs,
    )
    try:
        trial = built_once(lambda size: build(encoder_weights=None))
        refuse_wrong_size(f"{architecture} of {encoder}", trial, in_channels, image_size)
        if not pretrained or building_on_meta():
            return build(encoder_weights=None)
    except (KeyError, TypeError, RuntimeError) as error:
        said = " ".join(str(error.args[0] if error.args else error).split())
        raise ValueError(f"segmentation_models_pytorch refuses {architecture} of {encoder}: {said}") from error
    try:
        return build(encoder_weights="imagenet")
    except Exception as error:  # the hub's client raises a different kind for each way of being offline
        raise ValueError(
            f"The weights of {encoder} could not be had ({error}). They come from the Hugging Face hub and are kept in "
            "its cache: connect once, or set model.pretrained=false to train from scratch."
        ) from error
