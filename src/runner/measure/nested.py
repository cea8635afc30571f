"""What goes into a network and comes out of it: a tensor, or a tuple, list or dict of tensors, of any depth.

A network takes ONE argument, whatever its structure: a network of several inputs is called `network((left, right))` or
`network({"left": left, "right": right})`, never `network(left, right)`. So the inputs of a batch are one value
everywhere: data yields it, tasks hand it on, hooks and programs get it as it is. The first dimension of every tensor
is the sample. This module is the one place that takes such values apart and puts them together again; what is no
tensor (a graph, say) is passed on as it is.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from runner.measure.structure import restore

# A tensor, or a tuple, list or dict of such; Python's types cannot say "of any depth" without a cost to every reader.
Nested = Any
# Which dimension of tensors is dynamic in an exported program.
BATCH = "batch"


class StructureError(ValueError):
    """A value has another structure than its place takes; the message names both. A run tells it as a RunnerError."""


def leaves(value: Nested) -> list[Any]:
    """Return the tensors in order: items of tuples one after the other, of dicts as they were put in."""
    return pytree.tree_leaves(value)


def tensors(value: Nested) -> list[Tensor]:
    """Return the leaves that are tensors."""
    return [each for each in leaves(value) if isinstance(each, Tensor)]


def map_tensors(change: Callable[[Tensor], Any], value: Nested) -> Nested:
    """Return the same structure with `change` applied to every tensor."""
    return change(value) if isinstance(value, Tensor) else pytree.tree_map_only(Tensor, change, value)


def map_floats(change: Callable[[Tensor], Tensor], value: Nested) -> Nested:
    """Return the same structure with `change` applied to every tensor of floating-point numbers."""
    return map_tensors(lambda each: change(each) if each.is_floating_point() else each, value)


def is_single(value: Nested) -> bool:
    """Return whether this is one tensor, without structure."""
    return isinstance(value, Tensor)


def samples(value: Nested) -> int:
    """Return the number of samples: the length of the first tensor, or of whatever stands in for one."""
    if isinstance(value, Tensor):
        return len(value)
    found = leaves(value)
    return len(found[0]) if found else 0


def to(value: Nested, device: Any) -> Nested:
    """Return the same on another device; what is no tensor is asked to move itself."""
    return pytree.tree_map(lambda each: each.to(device) if hasattr(each, "to") else each, value)


def rows(value: Nested, index: Any) -> Nested:
    """Return the samples that `index` (a slice, or int64 (n,)) names."""
    return map_tensors(lambda each: each[index], value)


def head(value: Nested, count: int) -> Nested:
    """Return the first `count` samples."""
    return rows(value, slice(count))


def split(value: Nested, size: int) -> Iterator[Nested]:
    """Yield the samples in batches of `size`, the last one perhaps smaller; what holds no tensor stays whole."""
    if not tensors(value):
        yield value
        return
    for start in range(0, samples(value), size):
        yield rows(value, slice(start, start + size))


def concatenate(batches: Sequence[Nested]) -> Nested:
    """Return the samples of several batches of one structure as one batch."""
    if all(isinstance(each, Tensor) for each in batches):
        return torch.cat(list(batches))
    return join(batches, torch.cat)


def join(batches: Sequence[Nested], joined: Callable[[list[Tensor]], Tensor]) -> Nested:
    """Return one value of the batches' structure, each of its tensors made by `joined` from those of the batches."""
    spec = pytree.tree_structure(batches[0])
    parts = zip(*(_leaves_as(each, batches[0]) for each in batches), strict=True)
    return pytree.tree_unflatten([joined(list(each)) for each in parts], spec)


def repeat(value: Nested, count: int) -> Nested:
    """Return `count` samples: the given ones over and over."""
    times = -(-count // samples(value))
    return map_tensors(lambda each: each.repeat(times, *[1] * (each.dim() - 1))[:count].contiguous(), value)


def pad(value: Nested, size: int) -> Nested:
    """Return `size` samples: the given ones, then the last of them again and again."""
    missing = size - samples(value)
    if not missing:
        return value
    return map_tensors(lambda each: torch.cat([each, each[-1:].expand(missing, *each.shape[1:])]), value)


def two_of(example: Nested) -> Nested:
    """Return a batch of two: programs with a dynamic batch are captured with it, for sizes 0 and 1 are special."""
    return map_tensors(lambda each: each[:1].expand(2, *each.shape[1:]).contiguous(), example)


def dynamic_batch(example: Nested) -> tuple[Any, ...]:
    """Return `dynamic_shapes` of torch.export for a network that takes `example` as its one argument, for any N."""
    batch = torch.export.Dim(BATCH, min=1)
    return (map_tensors(lambda _: {0: batch}, example),)


def numbers(value: Nested) -> Tensor:
    """Return all numbers of all tensors as one row."""
    return torch.cat([each.flatten() for each in tensors(value)])


def same_shapes(value: Nested, other: Nested) -> bool:
    """Return whether both have one structure, of tensors of equal shapes."""
    if pytree.tree_structure(value) != pytree.tree_structure(other):
        return False
    return all(one.shape == two.shape for one, two in zip(tensors(value), tensors(other), strict=True))


def pairs(value: Nested, other: Nested) -> list[tuple[Tensor, Tensor]]:
    """Return the tensors of two values of one structure side by side; StructureError where structures differ."""
    return list(zip(leaves(value), _leaves_as(other, value), strict=True))


def names(value: Nested, root: str) -> list[str]:
    """Return a name for every tensor: `root` alone for a single one, its keys and positions behind it otherwise."""
    return [_named(root, path) for path, _ in pytree.tree_flatten_with_path(value)[0]]


def describe(value: Nested) -> Any:
    """Return the structure as plain values for a file's metadata: containers, keys in order, dtypes and shapes.

    A tensor is `{"dtype": …, "shape": […]}` (of a sample; None where a length is not fixed), a tuple
    `{"tuple": […]}`, a list `{"list": […]}`, a dict `{"dict": {…}}`.

    Raises:
        StructureError: something that no file can hold, such as a class of the user's or keys that are no text.
    """
    if isinstance(value, Tensor):
        shape = [each if isinstance(each, int) else None for each in value.shape[1:]]
        return {"dtype": str(value.dtype).removeprefix("torch."), "shape": shape}
    if type(value) in (tuple, list):
        return {type(value).__name__: [describe(each) for each in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: describe(each) for key, each in value.items()}}
    raise StructureError(
        f"A network's inputs and outputs must be tensors, or tuples, lists or dicts (with text as keys) of tensors; "
        f"this is {type(value).__name__}."
    )


def flatten_as(description: Any, value: Nested) -> list[Tensor]:
    """Return the tensors of `value` in the order of a file's `description`, dicts by their keys.

    Raises:
        StructureError: another structure.
    """
    return _leaves_as(value, restore(description, iter(lambda: 0, 1)))


def _leaves_as(value: Nested, like: Nested) -> list[Any]:
    """Return the leaves of `value` in the order in which `like` has its own; StructureError where structures differ."""
    spec = pytree.tree_structure(like)
    if pytree.tree_structure(value) == spec:
        return leaves(value)
    try:
        return spec.flatten_up_to(value)
    except (ValueError, KeyError) as error:
        raise StructureError(
            f"Another structure of tensors was expected: {_told(like)}, not {_told(value)}. A network takes one "
            "argument: a tensor, a tuple or a dict, always of the same structure."
        ) from error


def _told(value: Nested) -> str:
    """Return the structure in words, such as (tensor, tensor) or {left: tensor}."""
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_told, value))})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_told(each)}' for key, each in value.items())}}}"
    return "tensor"


def _named(root: str, path: Sequence[Any]) -> str:
    keys = [str(getattr(each, "key", getattr(each, "idx", each))) for each in path]
    return "_".join([root, *keys])
