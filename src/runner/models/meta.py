"""Trying a network on the meta device: shapes without values, so that a wrong image size costs nothing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

Build = Callable[[int], nn.Module]

SIZES_TRIED_ABOVE = 64
USUAL_SIZES = (224, 240, 256, 288, 299, 320, 384)
DRAWN = (torch.Tensor.normal_, torch.Tensor.uniform_)


class Unfilled(TorchFunctionMode):
    """Leaves weights as they are where they would be drawn.

    Without values there is nothing to draw, and on the meta device each takes a while.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if function in DRAWN or getattr(function, "__module__", None) == nn.init.__name__:
            return args[0] if args else given["tensor"]
        return function(*args, **given)


@contextmanager
def without_memory() -> Iterator[None]:
    """Build networks without memory within this context: on the meta device, where weights are not even drawn."""
    with torch.device("meta"), Unfilled():
        yield


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
        with without_memory(), torch.no_grad():
            build(image_size).eval()(torch.empty(2, in_channels, image_size, image_size))
    except NotImplementedError:  # an operator without a meta kernel says nothing about the size
        return None
    except (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError) as error:
        text = str(error) or type(error).__name__
        return None if "meta tensor" in text else text.splitlines()[0].rstrip(".")
    return None
