"""DistillationLoss: what a teacher has to say about a student's training step."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.distillation.layers import device_of, probe, run
from runner.compression.network import ModelCall, call_model
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested


class DistillationLoss(nn.Module, ABC):
    """Loss that a student with a teacher minimises, from the task's own loss.

    The teacher is a copy of the network given, in evaluation mode and without gradients. It is no submodule: neither
    checkpoints nor optimizers see it, and it follows the inputs from device to device. What the guide learns itself
    are its `parameters()`; they belong to the optimizer of the student's training and are of no use after it.

    Args:
        teacher: answers the same inputs with as many outputs; it may be the student's own float network.
        student: the network in training. It may be a captured program unless its layers are looked at.
        example: inputs (N, …) as both take them; only shape and type matter.
        call: the outputs of a network for inputs, where there is more to it than calling the network.
        outputs_count: whether outputs are compared, so that both networks must give one tensor of one shape.

    Raises:
        RunnerError: the teacher does not take these inputs, or gives other outputs than the student.
    """

    def __init__(
        self,
        teacher: nn.Module,
        student: nn.Module,
        example: Any,
        *,
        call: ModelCall = call_model,
        outputs_count: bool = True,
    ) -> None:
        super().__init__()
        self._teacher, self._call = (probe(teacher).requires_grad_(False),), call
        refuse_strangers(self.teacher, student, example, call, outputs_count)

    @property
    def teacher(self) -> nn.Module:
        """The network that is asked."""
        return self._teacher[0]

    @abstractmethod
    def forward(self, inputs: Any, student_outputs: Tensor, targets: Tensor, loss: Tensor) -> Tensor:
        """Return the loss of a training step, 0-d; `loss` is the task's own for the same `student_outputs`."""

    @torch.no_grad()
    def ask(self, inputs: Any, student_outputs: Nested) -> Nested:
        """Return the teacher's outputs, on the device of the student's."""
        follow(self.teacher, nested.tensors(student_outputs)[0].device)
        return self._call(self.teacher, inputs)

    def close(self) -> None:
        """Leave the student as it was found; there is nothing to undo unless its layers are looked into."""


def follow(network: nn.Module, device: torch.device) -> None:
    """Move a network to where its inputs are, if it is somewhere else."""
    if device_of(network) != device:
        network.to(device)


def refuse_strangers(
    teacher: nn.Module, student: nn.Module, example: Any, call: ModelCall, outputs_count: bool
) -> None:
    """Raise RunnerError unless teacher and student take the same inputs and give outputs of one shape.

    Several tensors of outputs are let pass where outputs don't count.
    """
    wanted, _ = run(student, example, call)
    if not isinstance(wanted, Tensor) and outputs_count:
        raise RunnerError(
            f"Distillation by outputs compares one tensor with the teacher's; {type(student).__name__} answers with a "
            f"{type(wanted).__name__}, of which it cannot know what is to be compared. Compare layers: "
            "distillation=features or attention, with distillation.share=0."
        )
    try:
        given, _ = run(teacher, example, call)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        shape = f" {tuple(example.shape)}" if isinstance(example, Tensor) else ""
        raise RunnerError(
            f"The teacher ({type(teacher).__name__}) does not take the student's inputs{shape}: "
            f"{first_line(error)}. Choose a teacher that was trained on data of this shape (data.image_size, "
            "data.channels …)."
        ) from error
    if not (isinstance(wanted, Tensor) and isinstance(given, Tensor)):
        return
    if given.shape != wanted.shape:
        raise RunnerError(
            f"The teacher answers {described(given)}, the student {described(wanted)}: both must tell the same "
            "classes (or numbers) apart. Choose a teacher that was trained on the same data and task."
        )


def described(outputs: Tensor) -> str:
    """Return the shape of a sample's outputs in words."""
    shape = tuple(outputs.shape[1:])
    return f"with {shape[0]} outputs" if len(shape) == 1 else f"with outputs of shape {shape}"


def first_line(error: Exception) -> str:
    """Return an error's message without what follows its first line."""
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
