"""The file formats that a run knows: those of its configuration, or of a run directory written before it had any."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner.compression.files.file_format import FileFormat
from runner.config.catalog import own_config_directory
from runner.config.plugins import is_allowed, usable
from runner.config.resolvers import every_choice
from runner.errors import RunnerError
from runner.job.build import build_node


def known_formats(config: DictConfig | None = None) -> dict[str, FileFormat]:
    """Return the formats by name.

    Args:
        config: of a run; where it lists none, and without one, the formats are our own.

    Raises:
        RunnerError: a format's class cannot be had, or is none.
    """
    section: Any = {} if config is None else OmegaConf.to_container(config.export, resolve=True)
    plugins = [] if config is None else usable(config.runner.plugins)
    nodes = section.get("known") or own_nodes()
    # What lies in the working directory of somebody who doesn't use it is nobody's mistake.
    nodes = {name: node for name, node in nodes.items() if is_allowed(str(node.get("_target_")), plugins)}
    known = {name: build_node(node, f"export/format={name}") for name, node in nodes.items()}
    if wrong := [name for name, each in known.items() if not isinstance(each, FileFormat)]:
        raise RunnerError(f"export/format={wrong[0]}: {type(known[wrong[0]]).__name__} is no FileFormat.")
    return known


def own_nodes() -> dict[str, Any]:
    """Return what the files of our own `export/format` say."""
    return every_choice("export/format", [{"schema": "file", "path": str(own_config_directory())}])
