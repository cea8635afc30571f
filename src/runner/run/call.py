"""runner.run(…): one run from Python."""

from runner.config.compose import compose
from runner.run.isolation import isolated, same_numbers
from runner.run.launch import execute
from runner.tracking.result import RunResult


def run(*overrides: str, config_dir: str | None = None) -> RunResult:
    """Do what `python -m runner OVERRIDES` does, in this process.

    Args:
        overrides: as on the command line, without a shell's quotes: `"model=mlp"`, `"stages=[fit,test]"`.
        config_dir: a directory of the user's own with further choices; ./conf is always looked at.

    Returns:
        Outcome of the run; its record lies in `run_directory`.

    Raises:
        RunnerError: what the user can mend, with all mistakes of the overrides at once.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    with isolated(overrides):
        composed = compose(list(overrides), config_dir)
        with same_numbers():
            return execute(composed)
