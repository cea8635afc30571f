"""Let Hydra answer what is its own business: the composed configuration, shell completion, its own help."""

import sys

import hydra
from omegaconf import DictConfig

from runner.cli.arguments import CommandLine
from runner.config import catalog, resolvers
from runner.config.compose import check_sweep, search_path
from runner.config.growth import refuse_large_files

# With these Hydra looks at no configuration; what follows them are no overrides.
SILENT = {"--shell-completion", "--hydra-help", "--version"}


def through_hydra(line: CommandLine) -> int:
    """Let Hydra answer `--cfg`, `--info`, shell completion and help; none of them runs anything."""
    resolvers.register()
    directories = catalog.config_directories(line.config_dir)
    refuse_large_files(directories[1:])
    if line.overrides and not SILENT & {*line.flags}:
        check_sweep(line.overrides, directories)
    sys.argv = [sys.argv[0], *line.for_hydra(), *line.overrides, *search_path(directories)]

    @hydra.main(version_base="1.3", config_path=str(directories[0]), config_name="config")
    def answer(config: DictConfig) -> None:
        """Hydra answers before it would call this."""

    answer()
    return 0
