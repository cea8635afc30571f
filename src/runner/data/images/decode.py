"""One image file to a square uint8 tensor."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from runner.errors import RunnerError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


def decode_image(path: Path, size: int, channels: int) -> Tensor:
    """Return uint8 (channels, size, size): shorter side scaled to `size`, centre cut out, turned as its EXIF says.

    `channels` is 1 (grey) or 3 (RGB).

    Raises:
        RunnerError: the file is missing, or is no whole image; the message names it.
    """
    if channels not in (1, 3):
        raise RunnerError(f"Images have 1 channel (grey) or 3 (RGB), not data.channels={channels}.")
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
            square = ImageOps.fit(upright, (size, size), method=Image.Resampling.BILINEAR)
    except FileNotFoundError as error:
        raise RunnerError(f"No such image: {path}. Check the path.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RunnerError(f"{path} can't be read as an image ({error}). Mend or remove the file.") from error
    pixels = torch.from_numpy(np.array(square))
    return pixels.unsqueeze(0) if channels == 1 else pixels.permute(2, 0, 1).contiguous()
