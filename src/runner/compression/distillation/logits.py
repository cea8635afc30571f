"""Distillation by outputs: the teacher's probabilities at a temperature, mixed with the labels."""

from typing import Any

from torch import Tensor, nn

from runner.compression.answer import Answer, called
from runner.compression.distillation.guide import Guide
from runner.compression.distillation.soft import LOSSES
from runner.errors import RunnerError, did_you_mean


class LogitsGuide(Guide):
    """(1 - share) · loss + share · soft loss (Hinton et al., 2015: Distilling the Knowledge in a Neural Network).

    Args:
        teacher, student, example, answer: see `Guide`.
        share: of the soft loss, from 0 (labels alone) to 1 (teacher alone).
        temperature: above 0. The higher, the more the teacher tells about the classes it finds unlikely.
        outputs: what they are, and with it the soft loss: `classes` (logits of classes in the last dimension), `binary`
            (one logit) or `values` (numbers: the squared error, without a temperature). See `soft`.

    Raises:
        RunnerError: settings out of range, or a teacher that does not suit the student.
    """

    def __init__(
        self,
        teacher: nn.Module,
        student: nn.Module,
        example: Any,
        *,
        answer: Answer = called,
        share: float = 0.9,
        temperature: float = 2.0,
        outputs: str = "classes",
    ) -> None:
        super().__init__(teacher, student, example, answer=answer)
        if not 0 <= share <= 1:
            raise RunnerError(f"distillation.share={share}: must be from 0 (labels alone) to 1 (teacher alone).")
        if temperature <= 0:
            raise RunnerError(f"distillation.temperature={temperature}: must be above 0.")
        if outputs not in LOSSES:
            known = ", ".join(LOSSES)
            raise RunnerError(f"distillation.outputs={outputs}: must be one of {known}.{did_you_mean(outputs, LOSSES)}")
        self.share, self.temperature, self.outputs = share, temperature, outputs

    def forward(self, inputs: Any, student_outputs: Tensor, targets: Tensor, loss: Tensor) -> Tensor:
        """See `Guide.forward`; the teacher sees the same inputs, augmented or mixed as they are."""
        return self.mixed(self.ask(inputs, student_outputs), student_outputs, targets, loss)

    def mixed(self, teacher_outputs: Tensor, student_outputs: Tensor, targets: Tensor, loss: Tensor) -> Tensor:
        """The task's own loss and the soft one by their shares, 0-d."""
        if self.share == 0:
            return loss
        soft = LOSSES[self.outputs](student_outputs, teacher_outputs, targets, self.temperature)
        return (1 - self.share) * loss + self.share * soft
