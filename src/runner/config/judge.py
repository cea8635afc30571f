"""Judge thousands of runs: those that differ in plain values are told from one that was composed, not composed each."""

import copy
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import OverrideType
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException
from omegaconf.nodes import AnyNode, ValueNode

from runner.config import overrides, references
from runner.config.catalog import Known
from runner.config.compose import (
    KEPT,
    Composed,
    Composer,
    check_resolved,
    resolve_quickly,
    split,
)
from runner.config.content import decides_content
from runner.config.overrides import Override
from runner.config.references import Path
from runner.config.resolvers import with_text_keys
from runner.config.rules import REFUSALS
from runner.tracking.identity import AROUND_RUNS

SETS = (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)


@dataclass(frozen=True)
class Judged:
    """What a command line comes to.

    Attributes:
        plain: the resolved configuration, parts of which are those of others, so that nobody may change it; None where
            there is none.
        chosen: configuration group to the file chosen of it.
    """

    plain: dict[str, Any] | None
    chosen: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)


class Judge:
    """Says of command lines what `Composer.compose` would say, and what they resolve to, in a fraction of the time.

    The second one of those that are alike but for plain values (`seed=1`, `optimizer.lr=0.1`) is composed as a sample;
    of the others only what these values decide is looked at. What is not sure to come to the same then is composed.
    """

    def __init__(self, composer: Composer) -> None:
        self.composer = composer
        self._seen: set[int] = set()
        self._samples: OrderedDict[tuple[str, ...], Sample | None] = OrderedDict()

    def judge(self, parsed: Sequence[Override]) -> Judged:
        """Return what the overrides of one run come to."""
        known = self.composer.known
        messages: list[str] = []
        kept = []
        for each in parsed:
            wrong = overrides.choice_mistakes(each, known) if overrides.is_choice(each, known) else []
            messages += wrong
            if not wrong:
                kept.append(each)
        sample = self.sample(kept)
        try:
            found = sample.judge(kept, known) if sample is not None else None
        except REFUSALS:
            found = None
        found = found or self.composed(kept)
        return Judged(found.plain, found.chosen, [*messages, *found.mistakes]) if messages else found

    def composed(self, parsed: Sequence[Override]) -> Judged:
        """Return the same by composing all of it."""
        composed, mistakes = self.composer.compose(parsed)
        if composed is None:
            return Judged(None, {}, mistakes)
        try:
            return Judged(composed.plain, composed.chosen, mistakes)
        except OmegaConfBaseException:
            return Judged(None, composed.chosen, mistakes)

    def sample(self, parsed: Sequence[Override]) -> "Sample | None":
        """Return the sample that is alike; None the first time, and where there can be none."""
        known = self.composer.known
        alike = tuple(each.mark + each.key if is_plain(each, known) else each.text for each in parsed)
        if alike in self._samples:
            self._samples.move_to_end(alike)
            return self._samples[alike]
        if hash(alike) not in self._seen:
            self._seen.add(hash(alike))
            return None
        self._samples[alike] = sample_of(parsed, self.composer)
        if len(self._samples) > KEPT:
            self._samples.popitem(last=False)
        return self._samples[alike]


@dataclass(frozen=True)
class Sample:
    """A run that was composed, of others that are alike but for plain values.

    Attributes:
        merged: the configuration before Hydra's node was taken off; the values that are asked about stand in it for
            the moment.
        hydra: Hydra's node, which references to the choices read.
        config, told, unresolved: what `resolve` returned of it.
        plain: the same where nothing is missing in it; keys that are no text are as they are.
        messages: of overrides that were not applied.
        values: those of the plain overrides that were, by their keys.
        reads: which values each reference reads.
        aliases: the references that are another key's value, with that key.
        dead: references that lead nowhere.
        good: ids of its sections where it has no mistakes; they live as long as it does.
    """

    merged: DictConfig
    hydra: Any
    composed: Composed
    config: dict[str, Any]
    told: list[str]
    unresolved: list[str]
    plain: dict[str, Any] | None
    messages: list[str]
    values: dict[str, Any]
    reads: dict[Path, frozenset[str] | None]
    aliases: dict[Path, str]
    dead: frozenset[Path]
    good: frozenset[int]
    affected: dict[tuple[str, ...], list[Path]] = field(default_factory=dict)

    def judge(self, parsed: Sequence[Override], known: Known) -> Judged | None:
        """Return what overrides that are alike come to; None where that is not sure."""
        new = {
            each.key: each.value
            for each in parsed
            if each.key in self.values and not same(each.value, self.values[each.key])
        }
        keys = tuple(new)
        if keys not in self.affected:
            self.affected[keys] = references.affected(self.reads, keys, self.values)
        paths = self.affected[keys]
        changed: dict[Path, Any] = {tuple(key.split(".")): value for key, value in new.items()}
        if self.dead.intersection(paths) or any(map(decides_content, (*changed, *paths))):
            return None
        known_by = dict(new)
        for path in paths:  # each behind what it reads
            if self.aliases.get(path) in known_by:
                changed[path] = known_by[references.dotted(path)] = known_by[self.aliases[path]]
        changed |= self.resolved(new, [path for path in paths if path not in changed])
        config = with_values(self.config, {path: with_text_keys(value) for path, value in changed.items()})
        if self.plain is None:
            plain = None
        else:
            plain = config if self.plain is self.config else with_values(self.plain, changed)
        mistakes = check_resolved((config, self.told, self.unresolved), self.composed, known, self.good)
        return Judged(plain, self.composed.chosen, [*self.messages, *mistakes])

    def resolved(self, new: dict[str, Any], paths: Sequence[Path]) -> dict[Path, Any]:
        """Return what references lead to where some values are others.

        Raises:
            OmegaConfBaseException: one of them leads nowhere.
        """
        if not paths:
            return {}
        HydraConfig.instance().cfg = self.hydra
        before = []
        try:
            for dotted, value in new.items():
                *above, key = dotted.split(".")
                parent: Any = references.parent_of(self.merged, (*above, key))
                nodes = parent.__dict__["_content"]
                before.append((nodes, key, nodes[key]))
                nodes[key] = AnyNode(value, key=key, parent=parent)
            return {path: references.value_at(self.merged, path) for path in paths}
        finally:
            for nodes, key, node in before:
                nodes[key] = node


def sample_of(parsed: Sequence[Override], composer: Composer) -> Sample | None:
    """Return the run that these overrides make as a sample; None where others cannot be told from it."""
    known = composer.known
    keys = [each.key for each in parsed if not overrides.is_choice(each, known)]
    if overlap(keys):
        return None
    messages: list[str] = []
    try:
        whole = composer.merge(parsed, messages)
        if messages and any(each.mark for each in parsed):
            return None  # a message may hold the value
        merged, hydra = copy.deepcopy(whole), HydraConfig.instance().cfg
        with open_dict(merged):
            del merged["hydra"]
        composed = split(whole, [each.text for each in parsed])
        composer.stamp(composed)
        config, told, unresolved = resolve_quickly(composed)
        plain = None if told or unresolved else composed.plain
    except REFUSALS:
        return None
    plains = [each for each in parsed if is_plain(each, known) and overrides.has_key(merged, each.key)]
    if not all(isinstance(references.node_at(merged, each.key), ValueNode) for each in plains):
        return None
    found = references.reads(merged, leave_out=AROUND_RUNS)
    if found is None:
        return None
    dead = references.dead(merged, found) if plain is None else frozenset()
    values = {each.key: each.value for each in plains}
    others = references.aliases(merged, found)
    plain = config if plain == config else plain
    wrong = messages or check_resolved((config, told, unresolved), composed, known)
    around = {section: getattr(composed, section) for section in AROUND_RUNS}
    good = frozenset() if wrong else frozenset(sections({**config, **around}))
    return Sample(merged, hydra, composed, config, told, unresolved, plain, messages, values, found, others, dead, good)


def sections(node: dict[str, Any]) -> Iterator[int]:
    """Yield the ids of all sections of a configuration."""
    for value in node.values():
        if isinstance(value, dict):
            yield id(value)
            yield from sections(value)


def is_plain(override: Override, known: Known) -> bool:
    """Return whether an override gives a key of a run one number or word, and nothing that stands for more."""
    value, section = override.value, override.key.partition(".")[0]
    return (
        (value is None or isinstance(value, (bool, int, float, str)))
        and not (isinstance(value, str) and ("${" in value or value == "???"))
        and override.parsed.type in SETS
        and "@" not in override.key
        and section not in ("hydra", *AROUND_RUNS)
        and not override.sweeps
        and not overrides.is_choice(override, known)
    )


def same(one: Any, other: Any) -> bool:
    """Return whether two values are told apart nowhere."""
    return type(one) is type(other) and one == other


def overlap(keys: Sequence[str]) -> bool:
    """Return whether one of these keys is another one, or lies in its section."""
    ordered = sorted(f"{key}." for key in keys)
    return any(second.startswith(first) for first, second in pairwise(ordered))


def with_values(config: dict[str, Any], values: dict[Path, Any]) -> dict[str, Any]:
    """Return nested containers in which some values are others; what does not hold these is not copied."""
    whole: dict[Any, Any] = {None: config}
    copied: set[Path] = set()
    for path, value in values.items():
        node: Any = whole
        for depth, key in enumerate((None, *path[:-1])):
            if path[:depth] not in copied:
                node[key] = copy.copy(node[key])
                copied.add(path[:depth])
            node = node[key]
        node[path[-1]] = value
    return dict(whole[None])
