"""Show a prepared graph the data it will meet, so that its observers learn the ranges."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested


def calibrate(prepared: nn.Module, batches: Iterable[Nested], like: Nested, limit: int | None = None) -> int:
    """Run up to `limit` batches (all without one) through `prepared`; returns how many ran.

    Each batch has the dtype and the per-sample shape of `like` (N, …). RunnerError: no batch, a wrong shape
    or dtype, values that aren't finite.
    """
    done = 0
    with torch.no_grad():
        for batch in batches:
            if limit is not None and done >= limit:
                break
            check_batch(batch, like, done)
            prepared(batch)
            done += 1
    if not done:
        raise RunnerError(
            "There are no calibration batches, so no activation range can be known: give at least one "
            "batch of "
            "training data (calibration.batches >= 1)."
        )
    return done


def check_batch(batch: Nested, like: Nested, index: int) -> None:
    """Raise RunnerError unless `batch` is a non-empty batch of samples shaped and typed as those of `like`."""
    if nested.is_single(like):
        _check_tensor(batch, like, f"Calibration batch {index}")
        return
    for name, (expected, given) in zip(nested.names(like, "inputs"), nested.pairs(like, batch), strict=True):
        _check_tensor(given, expected, f"{name} of calibration batch {index}")


def _check_tensor(batch: Any, like: Tensor, where: str) -> None:
    if not isinstance(batch, Tensor):
        raise RunnerError(f"{where} is a {type(batch).__name__}; give the inputs alone, as one tensor (N, ...).")
    if batch.dim() == 0 or batch.shape[0] == 0 or batch.shape[1:] != like.shape[1:]:
        expected = ", ".join(map(str, like.shape[1:]))
        raise RunnerError(f"{where} has shape {tuple(batch.shape)}; this network takes (N, {expected}) with N >= 1.")
    if batch.dtype != like.dtype:
        raise RunnerError(f"{where} is {batch.dtype}; this network takes {like.dtype}.")
    if batch.is_floating_point() and not bool(torch.isfinite(batch).all()):
        raise RunnerError(f"{where} holds NaN or infinite values; no range can be drawn from them.")
