"""Observers torchao lacks: percentile, least-squares and shared ranges."""

from typing import Any

import torch
from torch import Tensor
from torchao.quantization.pt2e import HistogramObserver, PerChannelMinMaxObserver

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
