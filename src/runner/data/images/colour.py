"""Random brightness, contrast, saturation and erasing, with other parameters for each image of a batch.

The arithmetic is that of torchvision's v2 functional (a test holds them equal); v2's own random transforms draw
one set of parameters per call, and so would treat all images of a batch alike.
"""

import torch
from torch import Tensor

from runner.errors import RunnerError

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


def shift_channels(images: Tensor, spread: float) -> Tensor:
    """Return images float (N, C, H, W) with a number added to each channel, uniform up to ±`spread`."""
    shifts = spread * (2 * torch.rand(len(images), images.shape[1], 1, 1) - 1)
    return (images + shifts.to(images.device, images.dtype)).clamp_(0, 1)


def principal_colours(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return variances (3,) and directions (3, 3), a column each, of the pixels' colours on the scale from 0 to 1.

    They are eigenvalues and eigenvectors of the covariance of red, green and blue in uint8 (n, 3, H, W).

    Raises:
        RunnerError: images have no three channels.
    """
    if images.shape[1] != 3:
        raise RunnerError("augmentation.pca is for images of red, green and blue: data.channels=3, or pca=0.")
    pixels = images.movedim(1, -1).reshape(-1, 3).double() / 255
    values, vectors = torch.linalg.eigh(torch.cov(pixels.T))
    return values.float(), vectors.float()


def pca_shift(images: Tensor, values: Tensor, vectors: Tensor, spread: float) -> Tensor:
    """Return images float (N, 3, H, W) plus Σ aᵢλᵢpᵢ over the principal colours, aᵢ ~ N(0, `spread`) for each image.

    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 4.1.
    """
    amounts = spread * torch.randn(len(images), 3) * values
    shifts = (amounts @ vectors.T)[:, :, None, None]
    return (images + shifts.to(images.device, images.dtype)).clamp_(0, 1)


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
