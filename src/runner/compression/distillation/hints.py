"""HintLoss: what guides by layers share: taps on the student's, a look at the teacher's, a weighted sum of losses."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from runner.compression.distillation.layers import Tap, recorded
from runner.compression.distillation.logits import LogitsLoss
from runner.compression.distillation.pairs import Pair, choose, size
from runner.compression.distillation.settings import HintLossSettings
from runner.compression.network import ModelCall, call_model


class HintLoss(LogitsLoss):
    """The task's loss (mixed with the soft loss where `share` is above 0) + weight · the sum over pairs of layers.

    The student's layers are tapped by hooks until `close()`.

    Args:
        teacher, student, example, call, share, temperature, outputs: see `LogitsLoss`.
        layers: student's layer to teacher's; None chooses them, see `pairs.choose`.
        weight: of the layers' losses, at least 0.

    Raises:
        RunnerError: settings out of range, a teacher that does not suit, or layers that are not there or not alike.
    """

    kind = ""

    def __init__(
        self,
        teacher: nn.Module,
        student: nn.Module,
        example: Any,
        *,
        call: ModelCall = call_model,
        layers: Mapping[str, str] | None = None,
        weight: float = 1.0,
        share: float = 0.0,
        temperature: float = 2.0,
        outputs: str = "classes",
    ) -> None:
        super().__init__(teacher, student, example, call=call, share=share, temperature=temperature, outputs=outputs)
        HintLossSettings(share, temperature, outputs, None if layers is None else dict(layers), weight)
        self.weight = weight
        chosen = choose(student, self.teacher, example, call, layers, self.kind)
        self.pairs = self.preferred(chosen) if layers is None else chosen
        for pair in self.pairs:
            self.check(pair)
        self.taps = [Tap() for _ in self.pairs]
        modules = [student.get_submodule(pair.student) for pair in self.pairs]
        self.handles = [module.register_forward_hook(tap) for module, tap in zip(modules, self.taps, strict=True)]

    def preferred(self, pairs: list[Pair]) -> list[Pair]:
        """Return those of the pairs found, not named, that are compared."""
        return pairs

    def check(self, pair: Pair) -> None:
        """Raise RunnerError for a pair that this method cannot compare."""

    @abstractmethod
    def difference(self, number: int, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss between the features of pair `number`, 0-d; float32."""

    def forward(self, inputs: Any, student_outputs: Tensor, targets: Tensor, loss: Tensor) -> Tensor:
        """See `DistillationLoss.forward`."""
        with recorded(self.teacher, {pair.teacher for pair in self.pairs}) as given:
            answers = self.ask(inputs, student_outputs)
        total = self.mixed(answers, student_outputs, targets, loss)
        for number, (pair, tap) in enumerate(zip(self.pairs, self.taps, strict=True)):
            total = total + self.weight * self.difference(number, tap.take().float(), given[pair.teacher].float())
        return total

    def close(self) -> None:
        """Take the hooks off the student."""
        for handle in self.handles:
            handle.remove()


def resized(features: Tensor, shape: torch.Size) -> Tensor:
    """Return features (N, C, H, W) at the height and width of `shape`, bilinearly; others as given."""
    if features.ndim != 4 or features.shape[2:] == shape[2:]:
        return features
    return F.interpolate(features, size=size(shape), mode="bilinear", align_corners=False)
