"""What an export writes down so that its files can be served: plain values for what the run's own objects do."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from runner.data.module import DataModule
from runner.measure import nested
from runner.measure.nested import Nested
from runner.serving.description import VERSION, packed
from runner.serving.limits import Limits
from runner.serving.readers import reader_from
from runner.tasks.answers import answers_from
from runner.tasks.base import Task

# Relative; the outputs of softmax and the like differ in their last digits.
CLOSE = 1e-3


def told(
    datamodule: DataModule, task: Task, example: Nested, outputs: Nested, *, decoded: bool = False
) -> dict[str, Any]:
    """Return what all files of one network share, as plain values.

    What plain values would do otherwise than the run's own objects is left to these: `intake` or `answers` are None.

    Args:
        example: a batch as the network takes it, on the CPU.
        outputs: what the network answers.
        decoded: these are the detections that a task makes of a network's outputs.
    """
    return {
        "version": VERSION,
        "task": task_name(task),
        "takes": datamodule.kind,
        "inputs": nested.describe(example),
        "outputs": nested.describe(outputs),
        "intake": proven_intake(datamodule),
        "answers": None if decoded else proven_answers(task, outputs),
        "classes": list(datamodule.class_names or ()),
        "check": arrays(example),
        "files": {},
    }


def file_told(batch: int | None, outputs: Nested, *, alone: bool) -> dict[str, Any]:
    """Return what is said of one file: the batch size it takes, and what it answered to the example."""
    return {"batch": batch, "alone": alone, "outputs": arrays(outputs)}


def arrays(value: Nested) -> list[dict[str, Any]]:
    """Return the tensors of a value as plain values."""
    return [packed(as_array(each)) for each in nested.tensors(value)]


def as_array(tensor: Tensor) -> Any:
    """Return a tensor as NumPy has it, which knows no bfloat16."""
    plain = tensor.detach().cpu()
    return (plain.float() if plain.dtype is torch.bfloat16 else plain).numpy()


def task_name(task: Task) -> str:
    """Return the name of a task, as people write it: `node_classification`."""
    letters = [f"_{each.lower()}" if each.isupper() else each for each in type(task).__name__]
    return "".join(letters).lstrip("_")


def proven_intake(datamodule: DataModule) -> dict[str, Any] | None:
    """Return how inputs are read in plain values; None where that isn't told, or gives other numbers."""
    plain = datamodule.intake()
    if plain is None:
        return None
    raw = datamodule.splits["test" if len(datamodule.splits["test"]) else "train"].spread(2).inputs
    transformed: Any = datamodule.transform(raw)
    given = reader_from(plain, Limits()).transformed(raw.numpy())
    return plain if np.array_equal(given, transformed.numpy()) else None


def proven_answers(task: Task, outputs: Nested) -> dict[str, Any] | None:
    """Return what a task says of outputs in plain values; None where that isn't told, or says something else."""
    plain = task.answering()
    if plain is None:
        return None
    said = answers_from(plain)(nested.map_tensors(as_array, outputs))
    wanted = task.answers(outputs)
    pairs = zip(said, wanted, strict=True)
    alike = all(len(one) == len(two) and all(map(same, one, two)) for one, two in pairs)
    return plain if alike else None


def same(said: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a row says all that is wanted."""
    return all(key in said and is_close(said[key], value) for key, value in wanted.items())


def is_close(one: Any, other: Any) -> bool:
    """Return whether two values are the same, numbers up to their last digits."""
    if isinstance(other, float):
        return abs(one - other) <= CLOSE * max(1.0, abs(other))
    return str(one) == str(other)
