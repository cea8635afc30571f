"""DivergedError: a loss that became NaN or infinite."""

from runner.errors import RunnerError


class DivergedError(RunnerError):
    """Training stopped because its loss is no longer a finite number.

    Attributes:
        step: the training step (counted from 1) whose loss was not finite.
        last_finite: (step, loss) of the last finite loss before it, or None where there was none.
    """

    def __init__(
        self, step: int, value: float, last_finite: tuple[int, float] | None, advice: tuple[str, ...] = ()
    ) -> None:
        self.step, self.value, self.last_finite = step, value, last_finite
        before = "no finite loss before it"
        if last_finite is not None:
            before = f"last finite loss {last_finite[1]:.4g} at step {last_finite[0]}"
        *first, last = (*advice, "look at the data with mode=debug")
        hint = f"{', '.join(first)}, or {last}" if first else last
        super().__init__(f"The loss became {value} at step {step} ({before}). {hint[0].upper()}{hint[1:]}.")
