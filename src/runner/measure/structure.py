"""The structure of a network's inputs and outputs as plain values, as files hold it; see `nested.describe`."""

from collections.abc import Iterable, Iterator
from typing import Any


def restore(description: Any, flat: Iterable[Any]) -> Any:
    """Return the value that `nested.describe` told of, made of the tensors or arrays `flat`."""
    rest = iter(flat)

    def build(described: Any) -> Any:
        if "tuple" in described:
            return tuple(build(each) for each in described["tuple"])
        if "list" in described:
            return [build(each) for each in described["list"]]
        if "dict" in described:
            return {key: build(each) for key, each in described["dict"].items()}
        return next(rest)

    return build(description)


def tensors_of(description: Any, root: str) -> list[tuple[str, dict[str, Any]]]:
    """Return name, dtype and shape of every tensor: `root` alone for a single one, its keys and positions behind it.

    None at all where nothing is told.
    """
    return list(_tensors(description, root)) if description else []


def is_single(description: Any) -> bool:
    """Return whether this tells of one tensor, without structure."""
    return "dtype" in description


def _tensors(description: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if is_single(description):
        yield name, description
        return
    (parts,) = description.values()
    for key, part in parts.items() if isinstance(parts, dict) else enumerate(parts):
        yield from _tensors(part, f"{name}_{key}")
