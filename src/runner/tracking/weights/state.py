"""State dicts under other names, with the versions of their modules kept.

`nn.Module.state_dict` says beside the tensors which version every module was of (`_metadata`), and modules such as
batch normalisation, MNASNet or observers read it when they are loaded. A comprehension over a state dict loses it.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

METADATA = "_metadata"
State = OrderedDict[str, Any]


def versions(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a state dict says of its modules, by their path; None where it says nothing."""
    found = getattr(state, METADATA, None)
    return dict(found) if isinstance(found, Mapping) else None


def with_versions(values: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> State:
    """Return a state dict of these values that says `metadata` of its modules."""
    state: State = OrderedDict(values)
    if metadata is not None:
        state._metadata = OrderedDict(metadata)  # type: ignore[attr-defined]
    return state


def kept(state: Mapping[str, Any], wanted: Callable[[str], bool]) -> State:
    """Return the entries whose names are wanted."""
    return with_versions({name: value for name, value in state.items() if wanted(name)}, versions(state))


def inside(state: Mapping[str, Any], start: str) -> State:
    """Return the entries below `start` (`network.`), without it."""
    found = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
    said = versions(state)
    if said is None or not start:
        return with_versions(found, said)
    own = {path: each for path, each in said.items() if f"{path}.".startswith(start)}
    return with_versions(found, {f"{path}.".removeprefix(start).removesuffix("."): each for path, each in own.items()})


def below(state: Mapping[str, Any], start: str) -> State:
    """Return every entry below `start` (`network.`): the opposite of `inside`."""
    said = versions(state)
    moved = None if said is None else {f"{start}{path}".removesuffix("."): each for path, each in said.items()}
    return with_versions({f"{start}{name}": value for name, value in state.items()}, moved)
