"""Observers and fake quantizers a recipe can choose, as torchao quantization specs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torchao.quantization.pt2e import (
    FakeQuantize,
    FusedMovingAvgObsFakeQuantize,
    HistogramObserver,
    MinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
    PlaceholderObserver,
)
from torchao.quantization.pt2e.quantizer import QuantizationSpec

from runner.compression.quantization.backends.ranges import (
    LearnedRange,
    MSEObserver,
    PercentileObserver,
    PerChannelMSEObserver,
    PerChannelSharedMinMaxObserver,
    SharedMovingAverage,
    SharedMovingAverageFakeQuantize,
)
from runner.errors import RunnerError, did_you_mean
from runner.measure.machine import has_integer_dot_product

_EPS = 2**-12  # the smallest scale torchao's own configurations allow
ACTIVATION: dict[str, type] = {
    "minmax": MinMaxObserver,
    "moving_average": SharedMovingAverage,
    "histogram": HistogramObserver,
    "percentile": PercentileObserver,
    "mse": MSEObserver,
}
WEIGHT: dict[tuple[str, str], type] = {
    ("minmax", "per_channel"): PerChannelMinMaxObserver,
    ("mse", "per_channel"): PerChannelMSEObserver,
    ("minmax", "per_tensor"): PerChannelSharedMinMaxObserver,
}
FINE_TUNE = ("moving_average", "minmax", "lsq")


@dataclass(frozen=True)
class Numerics:
    """How real values become integers.

    `activation_observer`: minmax, moving_average, histogram, percentile, mse (and lsq in QAT);
    `activation_scheme`: affine or symmetric; `weight_observer`: minmax or mse; `weight_granularity`:
    per_channel or per_tensor (weights are symmetric: no back end here multiplies by weights with a zero
    point); `percentile`: share of values, in %, kept below the upper and above the lower end of the range;
    `averaging`: weight of the newest batch in moving averages; `reduce_range`: 7-bit activations, for x86
    CPUs without VNNI, where products overflow (None: as this CPU needs it).
    """

    activation_observer: str = "histogram"
    activation_scheme: str = "affine"
    weight_observer: str = "minmax"
    weight_granularity: str = "per_channel"
    percentile: float = 99.99
    averaging: float = 0.01
    reduce_range: bool | None = None

    def __post_init__(self) -> None:
        _choose("activation observer", self.activation_observer, (*ACTIVATION, "lsq"))
        _choose("activation scheme", self.activation_scheme, ("affine", "symmetric"))
        _choose("weight granularity", self.weight_granularity, ("per_channel", "per_tensor"))
        fitting = [name for name, granularity in WEIGHT if granularity == self.weight_granularity]
        _choose(f"{self.weight_granularity} weight observer", self.weight_observer, fitting)
        if not 50 < self.percentile <= 100:
            raise RunnerError(f"percentile={self.percentile} must lie above 50 and at most at 100 (in %), e.g. 99.99.")


def activation_spec(numerics: Numerics, recipe: str, dtype: torch.dtype = torch.uint8) -> QuantizationSpec:
    """Return the spec of an activation: `dtype` (uint8 or int8), per tensor.

    Observed, fake-quantized or dynamic by `recipe`.
    """
    limits = torch.iinfo(dtype)
    reduce = numerics.reduce_range
    reduce = not has_integer_dot_product() if reduce is None and dtype == torch.uint8 else reduce
    maximum = limits.min + 127 if reduce else limits.max
    symmetric = numerics.activation_scheme == "symmetric"
    return QuantizationSpec(
        dtype=dtype,
        quant_min=limits.min,
        quant_max=maximum,
        qscheme=torch.per_tensor_symmetric if symmetric else torch.per_tensor_affine,
        is_dynamic=recipe == "dynamic",
        observer_or_fake_quant_ctr=_activation_constructor(numerics, recipe),
    )


def weight_spec(numerics: Numerics, recipe: str, axis: int = 0) -> QuantizationSpec:
    """Return the spec of a weight: int8, symmetric, one scale per output channel (along `axis`).

    Per-tensor weights repeat one scale for every channel, since int8 kernels of Inductor take per-channel
    scales only.
    """
    return QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=axis,
        observer_or_fake_quant_ctr=_weight_constructor(numerics, recipe),
    )


def _activation_constructor(numerics: Numerics, recipe: str) -> Callable[..., Any]:
    name, averaging = numerics.activation_observer, {"averaging_constant": numerics.averaging}
    if recipe == "dynamic":
        return PlaceholderObserver.with_args(eps=_EPS)
    if recipe == "qat":
        _choose("activation observer in QAT", name, FINE_TUNE)
        if name == "moving_average":
            return SharedMovingAverageFakeQuantize.with_args(observer=SharedMovingAverage, eps=_EPS, **averaging)
        if name == "lsq":
            return LearnedRange.with_args(observer=SharedMovingAverage, eps=_EPS)
        return FakeQuantize.with_args(observer=MinMaxObserver, eps=_EPS)
    _choose("activation observer", name, ACTIVATION)
    extra: dict[str, Any] = averaging if name == "moving_average" else {}
    extra = {"percentile": numerics.percentile} if name == "percentile" else extra
    return ACTIVATION[name].with_args(eps=_EPS, **extra)  # type: ignore[attr-defined]


def _weight_constructor(numerics: Numerics, recipe: str) -> Callable[..., Any]:
    observer = WEIGHT[numerics.weight_observer, numerics.weight_granularity]
    if recipe != "qat":
        return observer.with_args(eps=_EPS)  # type: ignore[attr-defined]
    if numerics.activation_observer == "lsq" and observer is PerChannelMinMaxObserver:
        return LearnedRange.with_args(observer=observer, eps=_EPS)
    if observer is PerChannelMinMaxObserver:
        # weights are all there at every step: no averaging, which would lag behind the fine-tuned values
        moving = MovingAveragePerChannelMinMaxObserver
        return FusedMovingAvgObsFakeQuantize.with_args(observer=moving, averaging_constant=1.0, eps=_EPS)
    return FakeQuantize.with_args(observer=observer, eps=_EPS)


def _choose(what: str, name: str, known: Any) -> None:
    if name not in known:
        raise RunnerError(f"No {what} {name!r}.{did_you_mean(name, known)} Choose one of: {', '.join(known)}.")
