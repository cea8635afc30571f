"""Random brightness, contrast, saturation and erasing, with other parameters for each image of a batch.

The arithmetic is that of torchvision's v2 functional (a test holds them equal); v2's own random transforms draw
one set of parameters per call, and so would treat all images of a batch alike.
"""

import torch
from torch import Tensor

GREY = (0.2989, 0.587, 0.114)  # ITU-R BT.601 luma, as torchvision uses it


def random_colour(images: Tensor, *, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0) -> Tensor:
    """Map float (N, C, H, W) from 0 to 1 to the same. Each factor is uniform in 1 ± its parameter, per image.

    Contrast blends with the image's mean grey, saturation with its grey version (nothing at one channel).
    """
    if brightness:
        images = adjust_brightness(images, _factors(images, brightness))
    if contrast:
        images = adjust_contrast(images, _factors(images, contrast))
    if saturation and images.shape[1] == 3:
        images = adjust_saturation(images, _factors(images, saturation))
    return images


def adjust_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Return images times `factors` (N, 1, 1, 1)."""
    return (images * factors).clamp_(0, 1)


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Return images blended with their mean grey."""
    mean = _grey(images).mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, factors).clamp_(0, 1)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Return RGB images blended with their grey versions."""
    return torch.lerp(_grey(images), images, factors).clamp_(0, 1)


def random_erasing(images: Tensor, probability: float, *, largest: float = 0.33, smallest: float = 0.02) -> Tensor:
    """Set one rectangle per image to 0, in a share `probability` of the images.

    Its area is uniform between `smallest` and `largest` of the image's, its aspect ratio between 3/10 and 10/3
    (logarithmically); it lies wholly inside where it fits.

    Source: Zhong et al., "Random Erasing Data Augmentation", arXiv:1708.04896.
    """
    count, _, height, width = images.shape
    draw = torch.rand(5, count)
    area = smallest + (largest - smallest) * draw[0]
    ratio = (torch.log(torch.tensor(10 / 3)) * (2 * draw[1] - 1)).exp()
    high, wide = (area * ratio).sqrt().clamp(max=1) * height, (area / ratio).sqrt().clamp(max=1) * width
    top, left = draw[2] * (height - high), draw[3] * (width - wide)
    erased = (_between(top, high, height)[:, :, None] & _between(left, wide, width)[:, None, :])[:, None]
    erased &= (draw[4] < probability)[:, None, None, None]
    return images.masked_fill(erased.to(images.device), 0.0)


def _between(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Return bool (N, size): the pixels whose centres lie from `start` to `start + length`."""
    centres = torch.arange(size) + 0.5
    return (centres >= start[:, None]) & (centres < (start + length)[:, None])


def _factors(images: Tensor, spread: float) -> Tensor:
    draw = torch.rand(len(images), 1, 1, 1)
    return (1 + spread * (2 * draw - 1)).clamp_(min=0).to(images.device, images.dtype)


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images
    weights = torch.tensor(GREY, dtype=images.dtype, device=images.device).view(3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)
