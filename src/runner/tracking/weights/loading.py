"""Loading weights from anywhere into a network: all of them, or what fits, and never fewer than is said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from runner.errors import RunnerError, nearest
from runner.tracking.weights.matching import Match, WeightNames, versions, with_versions

NAMED = 3  # differences that a message names
LISTED = 20  # names that the console lists
# Batch normalisation counts its batches; older files, and those of other tools, leave the count out.
COUNTER = "num_batches_tracked"
WAY_OUT = "checkpoint_strict=false leaves out what does not fit, and those layers start fresh"


@dataclass(frozen=True)
class LoadedWeights:
    """What of a file was loaded into a network, and what was not.

    Attributes:
        file: where it lies.
        prefix: what stood before the network's names in it.
        loaded: how many tensors were loaded, of `total` that the network has.
        fresh: names of the network's tensors that were left as they were, each with the reason.
        ignored: names of the file that the network does not have.
        cast: the types of numbers in the file, where they are not the network's.
    """

    file: str
    prefix: str
    loaded: int
    total: int
    fresh: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    cast: list[str] = field(default_factory=list)

    @property
    def partial(self) -> bool:
        """Whether the network has tensors that the file did not give."""
        return bool(self.fresh)

    def recorded(self) -> dict[str, Any]:
        """Return it as plain values, of long lists the first names."""
        more = [f"and {len(self.ignored) - LISTED} more"] if len(self.ignored) > LISTED else []
        return {**asdict(self), "ignored": [*self.ignored[:LISTED], *more]}

    def lines(self) -> list[str]:
        """Return what a person should know of it, a line each; none where everything went as it was saved."""
        found = []
        if self.prefix:
            found.append(f"taken from {self.prefix}*")
        if self.cast:
            found.append(f"cast from {', '.join(self.cast)}")
        if self.fresh:
            found.append(f"{self.loaded} of {self.total} tensors loaded; left out, they start fresh:")
            found += [f"  {name}: {reason}" for name, reason in shown(self.fresh.items(), LISTED)]
            found += [f"  and {len(self.fresh) - LISTED} more"] if len(self.fresh) > LISTED else []
        if self.ignored:
            more = f" and {len(self.ignored) - LISTED} more" if len(self.ignored) > LISTED else ""
            found.append(f"not of this network, ignored: {', '.join(self.ignored[:LISTED])}{more}")
        return found


def load(network: nn.Module, content: Mapping[str, Any], path: Path, *, strict: bool = True) -> LoadedWeights:
    """Copy the weights of a file's content (see `files.read`) into a network.

    Entries that they are nested in, and prefixes of their names, are found; so is the network that another one wraps
    (`UnitLength` of metric learning). Numbers are cast to the network's types.

    Args:
        strict: refuse a file that lacks a tensor, or has one of another shape or one too many; otherwise leave it out.

    Raises:
        RunnerError: the file is of another network, holds several, or does not fit and `strict` says that it must.
    """
    wanted = tensors_of(network)
    names = WeightNames(content, wanted)
    match = names.match()
    if match is None:
        if (inner := wrapped(network)) is not None:
            return load(inner, content, path, strict=strict)
        raise RunnerError(f"{path}: {nothing_in_common(names)}")
    if match.rivals:
        prefixes = ", ".join(f"{each or '(none)'}*" for each in [match.prefix, *match.rivals][: NAMED + 1])
        raise RunnerError(f"{path}: holds several networks that fit, {prefixes}. Save the one that is meant by itself.")
    fresh = differences(network, match, wanted)
    problems = [f"{name} {reason}" for name, reason in fresh.items()]
    problems += [f"{name} is not in this network" for name in match.unexpected]
    if problems and strict:
        raise RunnerError(f"{path}: {another_network(problems, fresh, match)}")
    fits = {name: match.tensors[name] for name in match.tensors if name not in fresh}
    if not fits:
        raise RunnerError(
            f"{path}: the checkpoint is of another network: no tensor fits ({'; '.join(problems[:NAMED])})."
        )
    put(network, {**fits, **match.extras}, match.metadata)
    cast = {
        str(each.dtype).removeprefix("torch.")
        for name, each in fits.items()
        if each.is_floating_point() and each.dtype != wanted[name].dtype
    }
    ignored = [*match.unexpected, *match.aside]
    return LoadedWeights(str(path), match.prefix, len(fits), len(wanted), fresh, ignored, sorted(cast))


def wrapped(network: nn.Module) -> nn.Module | None:
    """Return the only child of a network that has no tensors of its own; None where it is not made so."""
    children = list(network.children())
    own = [*network.parameters(recurse=False), *network.buffers(recurse=False)]
    return children[0] if len(children) == 1 and not own else None


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a network's state dict."""
    return {name: value for name, value in network.state_dict().items() if isinstance(value, Tensor)}


def put(network: nn.Module, values: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> None:
    """Copy values of a state dict into a network; all others stay as they are."""
    state = network.state_dict()
    said = metadata if metadata is not None else versions(state)
    known = {name: each for name, each in values.items() if name in state}
    network.load_state_dict(with_versions({**state, **known}, said))


def differences(network: nn.Module, match: Match, wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the network's tensors that a file does not give, each with the reason.

    A tensor that shares its values with one that is there is no difference, nor is a count of batches.
    """
    found: dict[str, str] = {}
    shared = sharing(network)
    for name, tensor in wanted.items():
        given = match.tensors.get(name)
        if given is None:
            if not name.endswith(COUNTER) and not any(each in match.tensors for each in shared.get(name, ())):
                found[name] = "is missing" + likely(name, match.unexpected)
        elif given.shape != tensor.shape:
            found[name] = f"has shape {tuple(given.shape)}, this network {tuple(tensor.shape)}"
        elif tensor.is_floating_point() and not given.is_floating_point():
            found[name] = f"holds {str(given.dtype).removeprefix('torch.')} numbers, not weights of a float network"
    return found


def sharing(network: nn.Module) -> dict[str, list[str]]:
    """Return the names of each parameter that has several."""
    names: dict[int, list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {name: group for group in names.values() if len(group) > 1 for name in group}


def another_network(problems: Sequence[str], fresh: Mapping[str, str], match: Match) -> str:
    """Return why a file is refused, with the first differences and the way out."""
    more = f" and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
    where = f" (of what stands behind {match.prefix}*)" if match.prefix else ""
    fits = len(match.tensors) - sum(name in match.tensors for name in fresh)
    return (
        f"the checkpoint is of another network{where}: {'; '.join(problems[:NAMED])}{more}. {fits} of "
        f"{fits + len(fresh)} tensors fit. Choose the model and data that it was trained with (a run directory's "
        f"config.yaml says which), or {WAY_OUT}."
    )


def nothing_in_common(names: WeightNames) -> str:
    """Return why a file is no start for a network at all: names of either side, and what looks alike."""
    if not names.given:
        return "not a checkpoint: it holds no tensors by name."
    first = next(iter(names.wanted))
    best, count = next(iter(names.prefixes.most_common(1)), ("", 0))
    close = f" Only names such as {best}* look alike." if count else likely(first, names.given)
    return (
        f"the checkpoint is of another network: none of its {len(names.given)} names ({listed(names.given)}) is one of "
        f"this network's ({listed(names.wanted)}).{close} Choose the model that it was trained with."
    )


def likely(name: str, names: Iterable[str]) -> str:
    """Return the nearest of these names in words; empty where none is near."""
    close = nearest(name, list(names)[:2000], 1)
    return f" (nearest: {close[0]})" if close else ""


def listed(names: Iterable[str]) -> str:
    """Return the first names."""
    return ", ".join([*shown(names, NAMED), "…"])


def shown(values: Iterable[Any], count: int) -> list[Any]:
    """Return the first `count`."""
    return list(values)[:count]
