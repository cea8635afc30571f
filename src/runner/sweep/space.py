"""The space of a search: Hydra's sweep values as Optuna's distributions, and back as overrides."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, RangeSweep

from runner.config import overrides
from runner.config.catalog import Known
from runner.config.overrides import Override
from runner.errors import RunnerError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LOG = "log"


def distributions(space: Sequence[Override], known: Known) -> "dict[str, BaseDistribution]":
    """Key to distribution: `interval`, `range` and lists of values, `tag(log, …)` for a logarithmic scale.

    Raises:
        RunnerError: nothing to search, or a range that Optuna refuses.
    """
    if not space:
        raise RunnerError("sweep=search has nothing to search: add optimizer.lr=interval(1e-4,1e-1) or other ranges.")
    found = {}
    for each in space:
        try:
            found[each.mark + each.key] = distribution(each, known)
        except ValueError as error:
            raise RunnerError(f"{each.text}: Optuna refuses this range ({error}).") from None
    return found


def distribution(override: Override, known: Known) -> "BaseDistribution":
    """Return the distribution of one override; raises ValueError for a range that is none."""
    from optuna import distributions as optuna

    sweep: Any = override.value.value()
    log = LOG in getattr(sweep, "tags", ())
    if isinstance(sweep, IntervalSweep):
        low, high = sweep.start, sweep.end
        if isinstance(low, int) and isinstance(high, int):
            return optuna.IntDistribution(low, high, log=log)
        return optuna.FloatDistribution(float(low or 0), float(high or 0), log=log)
    if isinstance(sweep, RangeSweep) and not sweep.shuffle:
        values = [each.value for each in overrides.single_values(override, known)]
        if all(isinstance(value, int) for value in values) and len(values) > 1:
            return optuna.IntDistribution(values[0], values[-1], step=values[1] - values[0])
    texts = [each.text.partition("=")[2] for each in overrides.single_values(override, known)]
    return optuna.CategoricalDistribution(tuple(texts))


def texts_of(parameters: Mapping[str, Any]) -> list[str]:
    """Sampled values as overrides."""
    return [f"{key}={value!r}" if isinstance(value, float) else f"{key}={value}" for key, value in parameters.items()]


def corners(space: "Mapping[str, BaseDistribution]") -> list[dict[str, Any]]:
    """Points of the space in which every end of every range, and every listed value, occurs."""
    options = {key: ends(each) for key, each in space.items()}
    first = {key: values[0] for key, values in options.items()}
    return [first, *({**first, key: value} for key, values in options.items() for value in values[1:])]


def ends(distribution: Any) -> list[Any]:
    """Return the values of a list, the two ends of a range."""
    return list(getattr(distribution, "choices", ())) or [distribution.low, distribution.high]
