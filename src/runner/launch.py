"""From a command line to one run, to a sweep, or to what Hydra answers itself."""

import sys
from collections.abc import Sequence

import hydra
from omegaconf import DictConfig

from runner import command_line
from runner.command_line import CommandLine
from runner.config import catalog, resolvers
from runner.config.compose import Composed, compose, search_path
from runner.tracking import run_directory
from runner.tracking.result import RunResult


def launch(arguments: Sequence[str]) -> int:
    """One run, a sweep, or what Hydra answers itself: the composed configuration, completion, its own help."""
    line = command_line.parse(arguments)
    if {*line.flags} - {"--multirun"}:
        return through_hydra(line)
    if line.flags:
        from runner.sweep.sweep import sweep

        return sweep(line)
    composed = compose(line.overrides, line.config_dir)
    execute(composed)
    return 0


def execute(composed: Composed) -> RunResult:
    """One run in a directory of its own."""
    exactly = any(each.startswith("hydra.run.dir=") for each in composed.overrides)
    record = run_directory.create(
        composed.run_directory, composed.config, composed.overrides, composed.chosen, exactly=exactly
    )
    # The console appears before torch is imported: seconds in which the user can see what was chosen.
    from runner.tracking.console import show_choices, show_result

    if record.primary:
        show_choices(composed.chosen, composed.overrides, record.path)
    from runner.run import run

    result = run(composed.config, record)
    if record.primary:
        show_result(result)
    return result


def through_hydra(line: CommandLine) -> int:
    """Hydra's `--cfg`, `--info`, shell completion and help; none of them runs anything."""
    resolvers.register()
    directories = catalog.config_directories(line.config_dir)
    sys.argv = [sys.argv[0], *line.for_hydra(), *line.overrides, *search_path(directories)]

    @hydra.main(version_base="1.3", config_path=str(directories[0]), config_name="config")
    def answer(config: DictConfig) -> None:
        """Hydra answers before it would call this."""

    answer()
    return 0
