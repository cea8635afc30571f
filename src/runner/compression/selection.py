"""Which modules of a network a user's pattern means, and what to say when it means none."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from torch import nn

from runner.errors import did_you_mean, join_errors


def matches(pattern: str, network: nn.Module) -> set[str]:
    """The names of the modules in `network` that `pattern` (a glob over names, or a type's name) means."""
    named = dict(network.named_modules())
    return {
        name
        for name, module in named.items()
        if (name and fnmatchcase(name, pattern)) or type(module).__name__ == pattern
    }


def unknown(pattern: str, network: nn.Module) -> str:
    """What to say when `pattern` matches nothing: the nearest names and types."""
    known = {name for name, _ in network.named_modules() if name}
    known |= {type(module).__name__ for module in network.modules()}
    near = did_you_mean(pattern, known) or f" Its modules: {', '.join(sorted(known)[:12])}."
    return f"No layer of {type(network).__name__} is named, or is of type, {pattern!r}.{near}"


def covered(patterns: Iterable[str], network: nn.Module) -> set[str]:
    """The names of all modules that `patterns` mean, and of those inside them.

    Raises:
        RunnerError: a pattern that matches nothing; all of them are told at once.
    """
    roots: set[str] = set()
    wrong = []
    for pattern in patterns:
        found = matches(pattern, network)
        roots |= found
        wrong += [] if found else [unknown(pattern, network)]
    if wrong:
        raise join_errors(wrong)
    names = [name for name, _ in network.named_modules(remove_duplicate=False)]
    return {name for name in names if name in roots or any(name.startswith(f"{root}.") for root in roots)}
