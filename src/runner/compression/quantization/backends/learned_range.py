"""LSQ: a fake quantizer whose scale and zero point are trained (Esser et al. 2020, arXiv:1902.08153)."""

from typing import Any

import torch
from torch import Tensor, nn
from torchao.quantization.pt2e import FakeQuantizeBase


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
