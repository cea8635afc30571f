"""runner.sweep(…): many runs from Python."""

from runner.run.isolation import isolated, same_numbers
from runner.sweep.record import Sweep


def sweep(*overrides: str, config_dir: str | None = None, fresh: bool = False) -> Sweep:
    """Do what `python -m runner -m OVERRIDES` does, from this process.

    Args:
        overrides: as on the command line: `"model=cnn,mlp"`, `"seed=1,2,3"`.
        config_dir: a directory of the user's own with further choices; ./conf is always looked at.
        fresh: start anew although the same overrides began a sweep earlier.

    Returns:
        Record of the sweep: `path`, and in `entries` the state of each job. `runner.results(sweep.path)` has its
        metrics. Jobs that failed raise nothing.

    Raises:
        RunnerError: the overrides have mistakes, or combinations cannot run.
        KeyboardInterrupt: Ctrl-C; the same call goes on.
    """
    with isolated(overrides):
        from runner.sweep.sweep import close, perform

        with same_numbers():
            record, execution = perform(overrides, config_dir, fresh=fresh)
            close(record, execution)
            return record
