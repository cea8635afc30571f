"""From a command line to runs: one of our own, or through Hydra for its flags and sweeps."""

import sys
from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from runner import command_line
from runner.command_line import CommandLine
from runner.config import catalog, resolvers
from runner.config.compose import Composed, check, check_sweep, compose, raise_all, search_path, split
from runner.errors import RunnerError
from runner.tracking import run_directory
from runner.tracking.result import RunResult

# With these Hydra looks at no configuration; what follows them are no overrides.
SILENT = {"--shell-completion", "--hydra-help", "--version"}


def launch(arguments: Sequence[str]) -> int:
    """One run, a sweep, or what Hydra answers itself: the composed configuration, completion, its own help."""
    line = command_line.parse(arguments)
    if line.flags:
        return through_hydra(line)
    execute(compose(line.overrides, line.config_dir))
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
    """Hydra's `--cfg`, `--info`, shell completion, and `-m`: every job of a sweep is a run like any other.

    Raises:
        RunnerError: the command line has mistakes, or runs of the sweep had; the other runs are done all the same.
    """
    resolvers.register()
    directories = catalog.config_directories(line.config_dir)
    known = catalog.choices(directories)
    if not SILENT & set(line.flags) and (line.overrides or "--multirun" in line.flags):
        check_sweep(line.overrides, directories)
    sys.argv = [sys.argv[0], *line.for_hydra(), *line.overrides, *search_path(directories)]
    refused: list[str] = []

    @hydra.main(version_base="1.3", config_path=str(directories[0]), config_name="config")
    def job(config: DictConfig) -> None:
        settings = HydraConfig.get()
        with open_dict(config):
            config["hydra"] = settings
        try:
            composed = split(config, list(settings.overrides.task))
            raise_all(check(composed, known))
            execute(composed)
        except RunnerError as error:
            refused.append(f"{' '.join(settings.overrides.task)}: {error}")
            print(f"error: {refused[-1]}", file=sys.stderr)

    job()
    if refused:
        raise RunnerError(f"{len(refused)} of the sweep's runs could not be done; the reasons are above.")
    return 0
