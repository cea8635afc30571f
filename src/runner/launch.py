"""From a command line to one run, new or gone on with, or to what Hydra answers itself."""

import os
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from runner.command_line import CommandLine
from runner.config import catalog, resolvers, rules, schema
from runner.config.compose import Composed, check_sweep, compose, search_path
from runner.config.resolve import resolve
from runner.errors import RunnerError
from runner.tracking import run_directory
from runner.tracking.liveness import is_alive
from runner.tracking.result import RunResult
from runner.tracking.run_directory import RunDirectory

# With these Hydra looks at no configuration; what follows them are no overrides.
SILENT = {"--shell-completion", "--hydra-help", "--version"}


def launch(line: CommandLine) -> int:
    """One run, or what Hydra answers itself: the composed configuration, completion, its own help."""
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


def go_on(directory: Path) -> RunResult:
    """A run that stopped, from its last checkpoint to its end.

    Raises:
        RunnerError: there is no run, its configuration is damaged, or it is finished or still going on.
    """
    record = RunDirectory(directory, primary=int(os.environ.get("LOCAL_RANK", "0")) == 0)
    resolvers.register()
    config = record.config()
    if record.primary:
        refuse_unless_complete(config, record)
        refuse_unless_stopped(record)
    os.environ[run_directory.ENVIRONMENT_VARIABLE] = str(record.path)
    # Left unresolved so that ${run_directory:} means where the directory lies now.
    OmegaConf.set_struct(config, True)

    from runner.run import run
    from runner.tracking.console import show_result

    result = run(config, record, resume=True)
    if record.primary:
        show_result(result)
    return result


def refuse_unless_complete(config: DictConfig, record: RunDirectory) -> None:
    """Raises RunnerError where config.yaml lacks what a run needs, or somebody's change made it wrong."""
    plain = resolve(config)[0]
    messages = list(rules.check_sections(plain)) or schema.check_types(plain)
    if messages:
        raise RunnerError(f"{record.path / 'config.yaml'}: cannot be resumed. {' '.join(messages)}")


def refuse_unless_stopped(record: RunDirectory) -> None:
    """Raises RunnerError when the run is finished or still going on."""
    status = record.status
    if status.get("state") == "done":
        raise RunnerError(
            f"{record.path}: this run is finished. Start from its weights with checkpoint={record.path}, "
            "or read its result.json."
        )
    if status.get("state") == "running" and is_alive(status):
        raise RunnerError(f"{record.path}: this run is still going on (process {status['pid']}).")


def through_hydra(line: CommandLine) -> int:
    """Hydra's `--cfg`, `--info`, shell completion and help; none of them runs anything."""
    resolvers.register()
    directories = catalog.config_directories(line.config_dir)
    if line.overrides and not SILENT & {*line.flags}:
        check_sweep(line.overrides, directories)
    sys.argv = [sys.argv[0], *line.for_hydra(), *line.overrides, *search_path(directories)]

    @hydra.main(version_base="1.3", config_path=str(directories[0]), config_name="config")
    def answer(config: DictConfig) -> None:
        """Hydra answers before it would call this."""

    answer()
    return 0
