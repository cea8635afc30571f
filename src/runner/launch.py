"""From a command line to runs: one of our own, or through Hydra for its flags and sweeps."""

import argparse
import sys
from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from runner.config import catalog, resolvers
from runner.config.compose import Composed, check_sweep, compose, split
from runner.errors import RunnerError
from runner.tracking import run_directory
from runner.tracking.result import RunResult


def parse_arguments(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The overrides, and the directory given with `--config-dir`."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--run", "-r", action="store_true")
    try:
        options, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise RunnerError(f"{error}. See: python -m runner --help") from None
    if flags := [each for each in rest if each.startswith("-")]:
        raise RunnerError(f"{', '.join(flags)}: there is no such option. See: python -m runner --help")
    return rest, options.config_dir


def single_run(arguments: Sequence[str]) -> int:
    """Composes, checks, claims a run directory, runs, and prints the result."""
    overrides, config_dir = parse_arguments(arguments)
    execute(compose(overrides, config_dir))
    return 0


def execute(composed: Composed) -> RunResult:
    """One run in a directory of its own."""
    exactly = any(each.startswith("hydra.run.dir=") for each in composed.overrides)
    record = run_directory.create(composed.run_directory, composed.config, composed.overrides, exactly=exactly)
    # The console appears before torch is imported: seconds in which the user can see what was chosen.
    from runner.tracking.console import show_choices, show_result

    if record.primary:
        show_choices(composed.chosen, composed.overrides, record.path)
    from runner.run import run

    result = run(composed.config, record)
    if record.primary:
        show_result(result)
    return result


def through_hydra(arguments: Sequence[str]) -> int:
    """Hydra's help, `--cfg`, `--info`, shell completion, and `-m`: every job of a sweep is a run like any other."""
    resolvers.register()
    directories = catalog.config_directories()
    check_sweep([each for each in arguments if "=" in each and not each.startswith("-")], directories)
    extra = [f"file://{directory}" for directory in directories[1:]]
    search = [f"hydra.searchpath=[{','.join(extra)}]"] if extra else []
    sys.argv = [sys.argv[0], *arguments, *search]

    @hydra.main(version_base="1.3", config_path=str(directories[0]), config_name="config")
    def job(config: DictConfig) -> None:
        settings = HydraConfig.get()
        with open_dict(config):
            config["hydra"] = settings
        execute(split(config, list(settings.overrides.task)))

    job()
    return 0
