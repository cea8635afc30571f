"""Which layers are quantized and how: skip lists and per-layer recipes by module name (globs) or type."""

from dataclasses import dataclass, field

from torch import nn

from runner.compression.modules import matches, unknown
from runner.compression.quantization.backends.support import check_mixture
from runner.errors import RunnerError, join_errors

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
        rules = {**self.per_layer, **dict.fromkeys(map(str, self.skip), FLOAT)}  # 0, of nn.Sequential, is a name
        chosen, wrong = {"": recipe}, []
        matched = {pattern: matches(pattern, network) for pattern in rules}
        for pattern, names in matched.items():
            if not names:
                wrong.append(unknown(pattern, network))
        if wrong:
            raise join_errors(wrong)
        for name, _ in network.named_modules(remove_duplicate=False):
            own = [rules[pattern] for pattern, names in matched.items() if name in names]
            chosen[name] = own[-1] if own else chosen[name.rpartition(".")[0]] if name else recipe
        return chosen


def recipe_of(path: str, chosen: dict[str, str]) -> str:
    """Return the recipe of the nearest enclosing module of `path` that `chosen` (from `resolve`) names."""
    while path not in chosen:
        if not path:
            raise RunnerError("A selection must be resolved against the network it is used on.")
        path = path.rpartition(".")[0]
    return chosen[path]
