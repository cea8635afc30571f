"""Layers of student and teacher to compare: as named, or the deepest of each size that both have."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from runner.compression.distillation.layers import check_names, refuse_captured, survey
from runner.compression.network import ModelCall
from runner.errors import RunnerError


class Pair:
    """A student's layer and a teacher's, with the shapes (N, …) that they give."""

    def __init__(self, student: str, teacher: str, shapes: tuple[torch.Size, torch.Size]) -> None:
        self.student, self.teacher = student, teacher
        self.student_shape, self.teacher_shape = shapes

    def __repr__(self) -> str:
        return f"{self.student} {tuple(self.student_shape[1:])} → {self.teacher} {tuple(self.teacher_shape[1:])}"


def choose(
    student: nn.Module,
    teacher: nn.Module,
    example: Any,
    call: ModelCall,
    layers: Mapping[str, str] | None,
    kind: str,
) -> list[Pair]:
    """Return the pairs of layers to compare, from the shallowest to the deepest.

    Args:
        layers: student's layer to teacher's; None chooses, for every spatial size that occurs in both networks, the
            layer of each that is computed last at that size. A size is (H, W) of features (N, C, H, W), (T,) of
            (N, T, F) and nothing of (N, F).
        kind: how the method is called in messages.

    Raises:
        RunnerError: a captured program, a layer that is not there, features of different kinds, or no size in common.
    """
    refuse_captured(student, "student", kind)
    refuse_captured(teacher, "teacher", kind)
    ours, theirs = (survey(network, example, call) for network in (student, teacher))
    if layers is None:
        pairs = matching(ours, theirs)
    else:
        check_names(layers, ours, student, "student")
        check_names(layers.values(), theirs, teacher, "teacher")
        pairs = [Pair(mine, other, (ours[mine], theirs[other])) for mine, other in layers.items()]
    for pair in pairs:
        refuse_unlike(pair)
    if not pairs:
        raise RunnerError(
            f"distillation={kind}: no layer of the student is as large as one of the teacher. Name those to compare: "
            f"'distillation.layers={{{last(ours)}: {last(theirs)}}}'."
        )
    return pairs


def matching(ours: dict[str, torch.Size], theirs: dict[str, torch.Size]) -> list[Pair]:
    """Return the last layers of every size that both networks have, in the student's order."""
    mine, other = last_of_size(ours), last_of_size(theirs)
    names = [name for name in ours if name in mine.values()]
    sizes = {name: size for size, name in mine.items()}
    return [
        Pair(name, other[sizes[name]], (ours[name], theirs[other[sizes[name]]]))
        for name in names
        if sizes[name] in other
    ]


def last_of_size(shapes: dict[str, torch.Size]) -> dict[tuple[int, ...], str]:
    """Return the layer computed last for each size of features (of the kinds that can be compared)."""
    return {(len(shape), *size(shape)): name for name, shape in shapes.items() if len(shape) in (2, 3, 4)}


def size(shape: torch.Size) -> tuple[int, ...]:
    """Return the positions of features (N, C, H, W), (N, T, F) or (N, F): all but samples and channels."""
    return tuple(shape[2:] if len(shape) == 4 else shape[1:-1])


def refuse_unlike(pair: Pair) -> None:
    """Raise RunnerError for features that cannot be laid over each other."""
    one, other = pair.student_shape, pair.teacher_shape
    if len(one) != len(other) or len(one) not in (2, 3, 4) or (len(one) == 3 and size(one) != size(other)):
        raise RunnerError(
            f"distillation.layers: {pair} cannot be compared; both must be images (C, H, W), sequences of one length "
            "(T, F), or vectors (F)."
        )


def last(shapes: dict[str, torch.Size]) -> str:
    """Return the layer computed last."""
    return next(reversed(shapes), "LAYER")
