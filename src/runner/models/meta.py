"""Trying a network on the meta device: shapes without values, so that a wrong image size costs nothing."""

from collections.abc import Callable

import torch
from torch import nn

Build = Callable[[int], nn.Module]

SIZES_TRIED_ABOVE = 64
USUAL_SIZES = (224, 240, 256, 288, 299, 320, 384)


def building_on_meta() -> bool:
    """Return whether the caller builds inside `with torch.device("meta")`, where weights have no values."""
    return torch.get_default_device().type == "meta"


def built_once(build: Build) -> Build:
    """Return a `build` that makes one network and hands it out for every size: for those that fit any."""
    built: list[nn.Module] = []

    def reuse(image_size: int) -> nn.Module:
        if not built:
            built.append(build(image_size))
        return built[0]

    return reuse


def refuse_wrong_size(name: str, build: Build, in_channels: int, image_size: int) -> None:
    """Raise ValueError when `build(image_size)` can't process square images of that many pixels a side.

    The message names the next larger size that works. `build` is called inside `torch.device("meta")`.
    """
    reason = _failure(build, in_channels, image_size)
    if reason is None:
        return
    near = range(image_size + 1, image_size + 1 + SIZES_TRIED_ABOVE)
    far = [size for size in USUAL_SIZES if size > near[-1]]
    works = next((size for size in [*near, *far] if _failure(build, in_channels, size) is None), None)
    advice = "No larger size that was tried works: " if works is None else f"Set data.image_size={works} or "
    raise ValueError(f"{name} can't take images of {image_size}x{image_size} ({reason}). {advice}choose another model.")


def _failure(build: Build, in_channels: int, image_size: int) -> str | None:
    """Return the library's own reason for refusing this size, None when a batch of two goes through."""
    try:
        with torch.device("meta"), torch.no_grad():
            build(image_size).eval()(torch.empty(2, in_channels, image_size, image_size))
    except NotImplementedError:  # an operator without a meta kernel says nothing about the size
        return None
    except (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError) as error:
        text = str(error) or type(error).__name__
        return None if "meta tensor" in text else text.splitlines()[0].rstrip(".")
    return None
