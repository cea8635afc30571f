"""Which layers are quantized and how: skip lists and per-layer recipes by module name (globs) or type."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from torch import nn

from runner.compression.quantization.pt2e.support import check_mixture
from runner.errors import RunnerError, did_you_mean, join_errors

FLOAT = "float"


@dataclass(frozen=True)
class Selection:
    """`skip`: modules left in float; `per_layer`: pattern -> recipe (static, dynamic, qat, float).

    A pattern is a module name (`layer1`, `layer*.conv1`) or a type (`Conv2d`); it holds for all inside the
    module.
    """

    skip: tuple[str, ...] = ()
    per_layer: dict[str, str] = field(default_factory=dict)

    def resolve(self, network: nn.Module, recipe: str) -> dict[str, str]:
        """Module name -> recipe for each module of `network`; RunnerError for patterns that match nothing."""
        check_mixture(recipe, self.per_layer)
        rules = {**self.per_layer, **dict.fromkeys(self.skip, FLOAT)}
        chosen, wrong = {"": recipe}, []
        matched = {pattern: matches(pattern, network) for pattern in rules}
        for pattern, names in matched.items():
            if not names:
                wrong.append(unknown(pattern, network))
        if wrong:
            raise join_errors(wrong)
        for name, _ in network.named_modules():
            own = [rules[pattern] for pattern, names in matched.items() if name in names]
            chosen[name] = own[-1] if own else chosen[name.rpartition(".")[0]] if name else recipe
        return chosen


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


def recipe_of(path: str, chosen: dict[str, str]) -> str:
    """The recipe of the nearest enclosing module of `path` that `chosen` (from `resolve`) names."""
    while path not in chosen:
        if not path:
            raise RunnerError("A selection must be resolved against the network it is used on.")
        path = path.rpartition(".")[0]
    return chosen[path]
