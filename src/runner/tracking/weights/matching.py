"""Which tensors of a file are a network's, whatever they are nested in and whatever stands before their names.

`nn.Module.state_dict` says beside the tensors which version every module was of (`_metadata`), and modules such as
batch normalisation, MNASNet or observers read it when they are loaded. A comprehension over a state dict loses it;
the functions here give entries other names and keep it.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

METADATA = "_metadata"
State = OrderedDict[str, Any]
# What wrappers put into names, wherever they wrap: DDP, torch.compile, FSDP, activation checkpoints.
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
# What scripts call the weights that they mean.
USUAL = ("state_dict", "model", "model_state_dict", "model_state", "network", "net", "params", "weights")
AVERAGES = ("ema", "swa", "avg", "average", "averaged", "shadow")
# What modules keep beside their tensors stands in a state dict under this name.
EXTRA = "_extra_state"
DEPTH = 5


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


@dataclass(frozen=True)
class Given:
    """One tensor of a file: the entries that it is nested in, its own name there, and its value."""

    entry: tuple[str, ...]
    key: str
    value: Tensor

    @property
    def whole(self) -> str:
        """Its name with the entries before it, dotted, as it stands in the file."""
        return ".".join((*self.entry, self.key))


@dataclass(frozen=True)
class Match:
    """What of a file is a network's.

    Attributes:
        prefix: what stood before the names: entries of the file and prefixes of its names, `state_dict.module.`.
        tensors: by the network's names, those of other shapes included.
        extras: what modules keep beside their tensors (`get_extra_state`), by name.
        unexpected: names behind the prefix, in the same entries, that the network does not have.
        aside: all other names of the file.
        metadata: versions of modules, as `nn.Module.load_state_dict` reads them; None where the file says none.
        rivals: other prefixes behind which as much of the network is found.
    """

    prefix: str
    tensors: dict[str, Tensor]
    unexpected: list[str]
    aside: list[str]
    extras: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] | None = None
    rivals: list[str] = field(default_factory=list)


class WeightNames:
    """The names of a file's tensors, without what wrappers put into them.

    Args:
        content: what a file holds; see `files.read`.
        wanted: the network's tensors by name.
    """

    def __init__(self, content: Mapping[str, Any], wanted: Mapping[str, Tensor]) -> None:
        self.wanted = wanted
        parts = {part for name in wanted for part in name.split(".")}
        self.wrappers = {each for each in WRAPPERS if each not in parts}
        self.given: dict[str, Given] = {}
        self.extras: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        for entry, mapping in mappings(content):
            for key, value in mapping.items():
                if isinstance(value, Tensor):
                    self.given.setdefault(self.plain((*entry, key)), Given(entry, key, value))
                elif key.endswith(EXTRA):
                    self.extras[self.plain((*entry, key))] = value
            for path, said in (versions(mapping) or {}).items():
                # What a wrapper holds comes behind it, and is the network.
                self.metadata[self.plain((*entry, path)).removesuffix(".")] = said

    def plain(self, names: tuple[str, ...]) -> str:
        """Return the names in one, dotted, without wrappers."""
        return ".".join(part for part in ".".join(names).split(".") if part not in self.wrappers)

    @cached_property
    def prefixes(self) -> Counter[str]:
        """How many of the network's names stand behind each prefix; those of the same shape count double."""
        found: Counter[str] = Counter()
        for name, given in self.given.items():
            parts = name.split(".")
            for index in range(len(parts)):
                suffix = ".".join(parts[index:])
                if suffix in self.wanted:
                    same = given.value.shape == self.wanted[suffix].shape
                    found[name.removesuffix(suffix)] += 2 if same else 1
        return found

    def ranked(self) -> list[str]:
        """Return the prefixes behind which some of the network is found, the most first.

        Of those with as much the usual names come first and averages last. Names of no meaning are no prefix unless at
        least half of the network stands behind them: `layer1.0.` has a `conv1.weight`, too.
        """
        half = len(self.wanted)
        plausible = [each for each in self.prefixes if self.is_usual(each) or self.prefixes[each] >= half]
        return sorted(plausible, key=self.rank)

    def rank(self, prefix: str) -> tuple[int, bool, bool, int]:
        """Sort by what stands behind a prefix, then by what it is called."""
        return -self.prefixes[prefix], is_average(prefix), not self.is_usual(prefix), prefix.count(".")

    @staticmethod
    def is_usual(prefix: str) -> bool:
        """Return whether a prefix is what scripts call the weights that they mean, or their averages."""
        return all(part in USUAL or is_average(part) for part in prefix.split(".") if part)

    def match(self) -> Match | None:
        """Return what is the network's, behind the prefix with most of it; None where no name is in common."""
        ranked = self.ranked()
        if not ranked:
            return None
        prefix, *others = ranked
        behind = {name.removeprefix(prefix): name for name in self.given if name.startswith(prefix)}
        tensors = {name: self.given[behind[name]].value for name in self.wanted if name in behind}
        entries = {self.given[behind[name]].entry for name in tensors}
        strange = [name for name in behind if name not in tensors]
        front = self.shown(prefix, tensors, behind)
        unexpected = [
            name
            for name in strange
            if self.given[behind[name]].entry in entries and self.given[behind[name]].whole.startswith(front)
        ]
        used = {behind[name] for name in (*tensors, *unexpected)}
        said = {
            f"{path}.".removeprefix(prefix).removesuffix("."): each
            for path, each in self.metadata.items()
            if f"{path}.".startswith(prefix)
        }
        return Match(
            front,
            tensors,
            unexpected,
            [name for name in self.given if name not in used],
            {name.removeprefix(prefix): each for name, each in self.extras.items() if name.startswith(prefix)},
            said or None,
            [each for each in others if self.rank(each)[:3] == self.rank(prefix)[:3] and self.differs(prefix, each)],
        )

    def differs(self, one: str, other: str) -> bool:
        """Return whether two prefixes stand before different weights, rather than before the same ones twice."""
        pairs = [(self.given.get(one + name), self.given.get(other + name)) for name in self.wanted]
        return any(a is None or b is None or not torch.equal(a.value, b.value) for a, b in pairs if a or b)

    def shown(self, prefix: str, tensors: Mapping[str, Tensor], behind: Mapping[str, str]) -> str:
        """Return a prefix as it stands in the file, wrappers included; empty where wrappers stand within names."""
        name = next(iter(tensors), None)
        if name is None:
            return ""
        given = self.given[behind[name]]
        return given.whole.removesuffix(name) if given.whole.endswith(name) else ""


def is_average(prefix: str) -> bool:
    """Return whether a prefix says that the weights behind it are averages of those that were trained."""
    return any(part in AVERAGES for part in re.split(r"[._]", prefix.lower()))


def mappings(
    content: Mapping[str, Any], entry: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Yield every mapping with names as its keys in a file's content, with the entries that it is nested in."""
    if len(entry) > DEPTH or not all(isinstance(key, str) for key in content):
        return
    yield entry, content
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from mappings(value, (*entry, key))
