"""How far a picture is from one in content and from another in style, as a frozen network sees them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from runner.models.vision.frozen import Frozen, Maps

# Below this a difference is rounding.
TINY = 1e-12
# Content and style of a picture, and how much neighbouring pixels differ.
TERMS = ("content", "style", "variation")


def gram(maps: Tensor) -> Tensor:
    """Return the products of channels (C, C), averaged over places and channels, of maps (1, C, H, W).

    Source: Gatys, Ecker & Bethge 2016, "Image Style Transfer Using Convolutional Neural Networks", equation 3.
    """
    rows = maps.flatten(2)[0]
    return rows @ rows.T / rows.numel()


def variation(picture: Tensor) -> Tensor:
    """Return the mean squared difference of neighbouring pixels, 0-d, of (N, C, H, W)."""
    return picture.diff(dim=2).square().mean() + picture.diff(dim=3).square().mean()


class StyleLoss:
    """Terms of the loss, each relative to the pictures at hand, so that weights mean the same for every network.

    `content` is 0 for the content and 1 for what has lost all that tells its places apart; `style` is 1 for the content
    and 0 for what has the style's Gram matrices; `variation` is 1 for the content. Layers count by their weights, which
    are divided by their sum.

    Args:
        content, style: float (1, 3, H, W) and (1, 3, h, w) from 0 to 1, on the device to be worked on.
        content_layers, style_layers: weights by layer; not all 0.
    """

    def __init__(
        self,
        frozen: Frozen,
        content: Tensor,
        style: Tensor,
        content_layers: Mapping[str, float],
        style_layers: Mapping[str, float],
    ) -> None:
        self.content_layers, self.style_layers = _shares(content_layers), _shares(style_layers)
        self.look = Maps(frozen, list({**self.content_layers, **self.style_layers})).to(content.device)
        with torch.no_grad():
            seen, painted = self.look(content), self.look(style)
            self.contents = {name: seen[name] for name in self.content_layers}
            self.spreads = {
                name: each.var(dim=(2, 3), correction=0).mean().clamp(min=TINY) for name, each in self.contents.items()
            }
            self.grams = {name: gram(painted[name]) for name in self.style_layers}
            self.distances = {
                name: (gram(seen[name]) - wanted).square().sum().clamp(min=TINY) for name, wanted in self.grams.items()
            }
            self.roughness = variation(content).clamp(min=TINY)

    def __call__(self, picture: Tensor) -> dict[str, Tensor]:
        """Return `TERMS` of a picture float (1, 3, H, W), each 0-d."""
        seen = self.look(picture)
        content = [
            share * (seen[name] - self.contents[name]).square().mean() / self.spreads[name]
            for name, share in self.content_layers.items()
        ]
        style = [
            share * (gram(seen[name]) - self.grams[name]).square().sum() / self.distances[name]
            for name, share in self.style_layers.items()
        ]
        terms = (torch.stack(content).sum(), torch.stack(style).sum(), variation(picture) / self.roughness)
        return dict(zip(TERMS, terms, strict=True))


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    whole = sum(weights.values())
    return {name: weight / whole for name, weight in weights.items() if weight}
