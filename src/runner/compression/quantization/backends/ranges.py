"""Ranges that torchao lacks: percentile, least squares, one for several places or channels, and learned (LSQ)."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torchao.quantization.pt2e import (
    FakeQuantize,
    FakeQuantizeBase,
    FusedMovingAvgObsFakeQuantize,
    HistogramObserver,
    MovingAverageMinMaxObserver,
    PerChannelMinMaxObserver,
)

_SHRINK = 96  # candidates between 0.2 and 1 of the observed range


class PercentileObserver(HistogramObserver):
    """Clips the range to the values between the (100 - percentile)-th and the percentile-th percentile.

    Read from a histogram of 2048 bins over all batches: exact to one bin width.
    """

    def __init__(self, percentile: float = 99.99, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.percentile = percentile

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale (float32, 1) and zero point (int64, 1)."""
        total = torch.cumsum(self.histogram.double(), 0)
        width = (self.max_val - self.min_val) / self.bins
        tail = total[-1] * (1 - self.percentile / 100)
        first = int(torch.searchsorted(total, tail, right=True).clamp(max=self.bins - 1))
        last = int(torch.searchsorted(total, total[-1] - tail).clamp(max=self.bins - 1))
        return self._calculate_qparams(self.min_val + width * first, self.min_val + width * (last + 1))


class MSEObserver(HistogramObserver):
    """Takes the range whose rounding and clipping together give the least squared error, by search over a histogram.

    First the upper, then the lower end is drawn in (Choukroun et al. 2019, "Low-bit quantization of neural
    networks", with the two ends apart).
    """

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale (float32, 1) and zero point (int64, 1)."""
        width = (self.max_val - self.min_val) / self.bins
        centres = self.min_val + width * (torch.arange(self.bins, device=self.histogram.device) + 0.5)
        low, high = self.min_val, self.max_val
        factors = torch.linspace(0.2, 1, _SHRINK).flip(0)
        high = min((factor * high for factor in factors), key=lambda end: self._error(centres, low, end))
        low = min((factor * low for factor in factors), key=lambda end: self._error(centres, end, high))
        return self._calculate_qparams(low, high)

    def _error(self, centres: Tensor, low: Tensor, high: Tensor) -> float:
        scale, zero_point = self._calculate_qparams(low, high)
        rounded = ((centres / scale).round() + zero_point).clamp(self.quant_min, self.quant_max)
        return float((((rounded - zero_point) * scale - centres).square() * self.histogram).sum())


class PerChannelMSEObserver(PerChannelMinMaxObserver):
    """Per channel, the symmetric range of a weight with the least squared quantization error."""

    def forward(self, x_orig: Tensor) -> Tensor:
        """Pass `x_orig` on; keeps the best range of each slice along the channel axis."""
        rows = x_orig.detach().transpose(0, self.ch_axis).flatten(1).float()
        peak = rows.abs().amax(1)
        best, error = peak.clone(), torch.full_like(peak, torch.inf)
        for factor in torch.linspace(1, 0.2, _SHRINK):
            scale = (peak * factor / ((self.quant_max - self.quant_min) / 2)).clamp(min=float(self.eps))[:, None]
            rounded = (rows / scale).round().clamp(self.quant_min, self.quant_max) * scale
            now = (rounded - rows).square().sum(1)
            best = torch.where(now < error, peak * factor, best)
            error = torch.minimum(now, error)
        self.min_val.resize_(best.shape).copy_(-best)
        self.max_val.resize_(best.shape).copy_(best)
        return x_orig


class PerChannelSharedMinMaxObserver(PerChannelMinMaxObserver):
    """One range for the whole weight, repeated for each channel: per-tensor numerics in a per-channel program."""

    def forward(self, x_orig: Tensor) -> Tensor:
        """Pass `x_orig` on; keeps the weight's minimum and maximum (no history: the weight is all there)."""
        low, high = torch.aminmax(x_orig.detach())
        channels = x_orig.shape[self.ch_axis]
        self.min_val.resize_(channels).copy_(low.expand(channels))
        self.max_val.resize_(channels).copy_(high.expand(channels))
        return x_orig


class SharedMovingAverage(MovingAverageMinMaxObserver):
    """A moving average over passes of the range of all that a pass shows, at however many places of the graph.

    Upstream averages over places as over batches: what the first place shows stays nearly alone, since each of the
    others moves it by a hundredth, and wider places are clipped. DenseNet-121 answered with 4.7 dB instead of 31.

    Attributes:
        places: how often a pass comes by; see `count_places`.
    """

    places = 1
    _come, _first = 0, True
    _low: Tensor
    _high: Tensor

    def forward(self, x_orig: Tensor) -> Tensor:
        """Watch a tensor (any shape), and return it."""
        if self.places == 1 or x_orig.numel() == 0:
            watched: Tensor = super().forward(x_orig)
            return watched
        low, high = torch.aminmax(x_orig.detach().to(self.min_val.dtype))
        if self._come == 0:
            self._first = bool(torch.isinf(self.min_val).any())
        else:
            low, high = torch.minimum(low, self._low), torch.maximum(high, self._high)
        self._low, self._high = low, high
        self._come = (self._come + 1) % self.places
        if self._first:
            self.min_val.resize_(low.shape).copy_(low)
            self.max_val.resize_(high.shape).copy_(high)
        elif self._come == 0:
            self.min_val.lerp_(low, self.averaging_constant)
            self.max_val.lerp_(high, self.averaging_constant)
        return x_orig

    def begin_pass(self) -> None:
        """Forget a pass that was broken off."""
        self._come = 0


class SharedMovingAverageFakeQuantize(FusedMovingAvgObsFakeQuantize):
    """Upstream's fused kernel, which averages by itself, for one place; observer and rounding apart for several."""

    @property
    def shared(self) -> bool:
        """Whether several places share its range."""
        return int(getattr(self.activation_post_process, "places", 1)) > 1

    def forward(self, X: Tensor) -> Tensor:  # noqa: N803 - the name upstream's callers use
        """Observe X (any shape) and fake-quantize it."""
        rounded: Tensor = FakeQuantize.forward(self, X) if self.shared else super().forward(X)
        return rounded


def count_places(graph: GraphModule) -> None:
    """Tell the moving averages of a prepared graph at how many places a pass comes by."""
    calls = (graph.get_submodule(str(node.target)) for node in graph.graph.nodes if node.op == "call_module")
    for module, count in Counter(calls).items():
        observer = getattr(module, "activation_post_process", module)
        if isinstance(observer, SharedMovingAverage):
            observer.places = count
            observer.begin_pass()


class LearnedRange(FakeQuantizeBase):
    """Rounds with a step size that the optimizer learns, after an observer has found where to begin.

    What is learned is the logarithm of the scale (Jain et al. 2020, arXiv:1903.08066, section 5.2), and no scale falls
    below `eps`. torchao's LearnableFakeQuantize learns the scale itself. Adam's steps are as long for small parameters
    as for large ones: within an epoch on MNIST they drove up to 4 of 154 scales of about 0.002 below zero, where a
    clamp to 1e-7 silenced their channels. It also creates its parameters in the first forward pass only, so that no
    checkpoint could be loaded before one; here loading creates them.
    """

    def __init__(self, observer: Any, quant_min: int, quant_max: int, eps: float, **options: Any) -> None:
        super().__init__()
        self.quant_min, self.quant_max, self.least = quant_min, quant_max, float(eps)
        self.activation_post_process = observer(quant_min=quant_min, quant_max=quant_max, eps=eps, **options)
        self.dtype, self.qscheme = self.activation_post_process.dtype, self.activation_post_process.qscheme
        self.ch_axis = getattr(self.activation_post_process, "ch_axis", -1)
        self.is_dynamic = False
        self.learning_enabled: Tensor
        self.register_buffer("learning_enabled", torch.tensor([0], dtype=torch.uint8))
        self.register_parameter("log_scale", None)
        self.register_parameter("zero_point", None)

    @property
    def scale(self) -> Tensor:
        """The scale, float32, one value or one for each channel, above zero."""
        return self.log_scale.exp().clamp(min=self.least)

    @property
    def symmetric(self) -> bool:
        """Whether zero stays in the middle."""
        return self.qscheme in (torch.per_channel_symmetric, torch.per_tensor_symmetric)

    def forward(self, X: Tensor) -> Tensor:  # noqa: N803 - the name upstream's callers use
        """Fake-quantize X (any shape); until ranges are learned, observe it as well."""
        if self.observer_enabled[0] or self.log_scale is None:
            self.activation_post_process(X.detach())
            scale, zero_point = self.activation_post_process.calculate_qparams()
            self.begin_from(scale, zero_point.float())
        if not self.fake_quant_enabled[0]:
            return X
        limits = (self.quant_min, self.quant_max, 1.0)  # LSQ's gradient scale balances steps as the logarithm does
        if self.qscheme in (torch.per_channel_symmetric, torch.per_channel_affine):
            return torch._fake_quantize_learnable_per_channel_affine(
                X, self.scale, self.zero_point, self.ch_axis, *limits
            )
        return torch._fake_quantize_learnable_per_tensor_affine(X, self.scale, self.zero_point, *limits)

    def begin_from(self, scale: Tensor, zero_point: Tensor) -> None:
        """Take these ranges (float32); they learn if learning is enabled."""
        values = {"log_scale": scale.clamp(min=self.least).log(), "zero_point": zero_point}
        for name, value in values.items():
            if getattr(self, name) is None:
                setattr(self, name, nn.Parameter(value.clone(), requires_grad=False))
            getattr(self, name).data.copy_(value)
        self.learn(bool(self.learning_enabled[0]))

    def enable_range_learning(self) -> None:
        """Hand the ranges over to the optimizer; the observer watches no longer."""
        self.learning_enabled[0] = 1
        self.disable_observer()
        self.learn(True)

    def learn(self, learning: bool) -> None:
        """Return whether the optimizer may move the ranges now."""
        if self.log_scale is not None:
            self.log_scale.requires_grad_(learning)
            self.zero_point.requires_grad_(learning and not self.symmetric)

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale (float32) and zero point (int64) as conversion takes them."""
        zero_point = self.zero_point.detach().round().clamp(self.quant_min, self.quant_max)
        return self.scale.detach(), zero_point.long()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        found = state_dict.get(prefix + "log_scale")
        if found is not None and self.log_scale is None:
            self.begin_from(torch.ones_like(found), torch.zeros_like(found))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def learned_ranges(network: nn.Module) -> list[LearnedRange]:
    """Return all LearnedRange modules in `network`."""
    return [module for module in network.modules() if isinstance(module, LearnedRange)]
