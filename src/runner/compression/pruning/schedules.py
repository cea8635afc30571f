"""Schedules: how much is pruned after each round, from the first to the last."""

from collections.abc import Callable

from runner.compression.constraints import mistakes
from runner.compression.pruning.settings import PruningRounds
from runner.errors import join_errors


def one_shot(target: float, rounds: int) -> list[float]:
    """Return one amount for everything, however many rounds were allowed."""
    return [target]


def iterative(target: float, rounds: int) -> list[float]:
    """Return amounts that take the same share of the rest: s_t = 1 - (1 - s)^(t / n) (Han et al., 2015)."""
    return [1 - (1 - target) ** (done / rounds) for done in range(1, rounds + 1)]


def cubic(target: float, rounds: int) -> list[float]:
    """Return much at first, ever less later: s_t = s (1 - (1 - t / n)^3) (Zhu & Gupta, 2017, equation 1)."""
    return [target * (1 - (1 - done / rounds) ** 3) for done in range(1, rounds + 1)]


SCHEDULES: dict[str, Callable[[float, int], list[float]]] = {
    "one_shot": one_shot,
    "iterative": iterative,
    "cubic": cubic,
}


def amounts(schedule: str, target: float, rounds: int) -> list[float]:
    """Return the share pruned after each round, counted from the dense network; the last one is `target` itself.

    Raises:
        RunnerError: no such schedule, no rounds, or a target outside [0, 1).
    """
    values = {"schedule": schedule, "rounds": rounds, "target": target}
    if wrong := mistakes(PruningRounds, values, "pruning"):
        raise join_errors(wrong)
    return [*SCHEDULES[schedule](target, rounds)[:-1], target]
