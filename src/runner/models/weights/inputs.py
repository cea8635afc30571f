"""What the images were like that a library's weights were trained on: data takes its size and normalisation from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.models.weights.lite import LITE


@dataclass(frozen=True)
class Inputs:
    """Mean and standard deviation of red, green and blue on the scale from 0 to 1, and the side in pixels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int

    def for_channels(self, channels: int) -> "Inputs":
        """Return the same for images of so many channels: of any number but three, each has the mean of the three."""
        if channels == len(self.mean):
            return self
        mean, std = ((round(sum(values) / len(values), 6),) * channels for values in (self.mean, self.std))
        return Inputs(mean, std, self.image_size)


def inputs_of(model: Mapping[str, Any]) -> Inputs | None:
    """Return what the weights that a `model` section asks for expect; None where it asks for none, or none known."""
    if not (model.get("pretrained") or model.get("weights")):
        return None
    maker = str(model.get("_target_", "")).rpartition(".")[2]
    if maker.startswith("efficientnet_lite"):
        number = int(model.get("number") or 0)
        return Inputs((0.5,) * 3, (0.5,) * 3, LITE[number].image_size) if number in range(len(LITE)) else None
    known = {"timm_model": _timm, "torchvision_model": _torchvision}
    return known[maker](model) if maker in known else None


def _timm(model: Mapping[str, Any]) -> Inputs | None:
    import timm

    found = timm.models.get_pretrained_cfg(str(model.get("name")))
    return None if found is None else Inputs(tuple(found.mean), tuple(found.std), found.input_size[-1])


def _torchvision(model: Mapping[str, Any]) -> Inputs | None:
    import torchvision

    try:
        weights = torchvision.models.get_model_weights(str(model.get("name")))
        seen = weights[str(model.get("weights") or "DEFAULT").rpartition(".")[2]].transforms()
        return Inputs(tuple(seen.mean), tuple(seen.std), seen.crop_size[0])
    except (ValueError, KeyError, AttributeError):  # building the network says what is wrong with them
        return None
