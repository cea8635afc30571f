"""Schedules: how much is pruned after each round, from the first to the last."""

from collections.abc import Callable

from runner.errors import RunnerError, did_you_mean


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
    if schedule not in SCHEDULES:
        raise RunnerError(
            f"pruning.schedule={schedule}: must be one of {', '.join(SCHEDULES)}.{did_you_mean(schedule, SCHEDULES)}"
        )
    if rounds < 1:
        raise RunnerError(f"pruning.rounds={rounds}: must be at least 1.")
    check_share("target", target)
    return [*SCHEDULES[schedule](target, rounds)[:-1], target]


def check_share(name: str, value: float) -> None:
    """Raise RunnerError unless a share to remove is at least 0 and below 1."""
    if not 0 <= value < 1:  # NaN, too
        raise RunnerError(
            f"pruning.{name}={value:g}: must be at least 0 and below 1; it is the share that goes, and something must "
            "stay. Half of it all is 0.5."
        )
