"""Whose code a run may name: packages that a person enables, and of all others the classes that a run is made of.

A person names packages on the command line, or in their own settings file. A configuration only asks for them. A YAML
file of a directory, an experiment or a run directory comes from anybody, so that what stands there enables nothing.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from runner.errors import RunnerError

KEY = "runner.plugins"
_named: ContextVar[tuple[str, ...]] = ContextVar("named", default=())
# Packages and modules below which a configuration may name classes. Of torch and the libraries only what a run is
# built from: torch.load, torch.hub and LightningCLI execute what they are given.
ALLOWED_TARGETS = (
    "runner.callbacks.",
    "runner.compression.distillation.",
    "runner.compression.factorization.",
    "runner.compression.finetuning.",
    "runner.compression.files.aot_file.",
    "runner.compression.files.executorch_file.",
    "runner.compression.files.onnx_file.",
    "runner.compression.files.openvino_file.",
    "runner.compression.files.packed_file.",
    "runner.compression.files.program_file.",
    "runner.compression.pruning.",
    "runner.compression.quantization.",
    "runner.data.",
    "runner.models.",
    "runner.sweep.launchers.in_process.",
    "runner.sweep.launchers.processes.",
    "runner.sweep.launchers.ray.",
    "runner.sweep.launchers.slurm.",
    "runner.tasks.",
    "runner.tracking.loggers.",
    "runner.tracking.services.",
    "torch.nn.",
    "torch.optim.",
    "torchvision.models.",
    "torchvision.transforms.",
    "timm.models.",
    "timm.layers.",
    "timm.loss.",
    "timm.optim.",
    "timm.scheduler.",
    "torchmetrics.",
    "pytorch_lightning.callbacks.",
    "pytorch_lightning.loggers.",
    "pytorch_lightning.strategies.",
    "pytorch_lightning.profilers.",
    "pytorch_lightning.plugins.",
    "pytorch_lightning.Trainer",
    "pytorch_lightning.trainer.trainer.Trainer",
    "torch_geometric.nn.",
)
# Where functions may be named as well: those that return a network or a schedule. Those of torchvision and timm must
# also stand in their library's own list of networks.
ALLOWED_FUNCTIONS = (
    "runner.models.",
    "runner.tasks.schedules.",
    "torchvision.models.",
    "timm.models.",
)


def enable(arguments: Sequence[str]) -> None:
    """Enable the packages of `runner.plugins=[…]` on this command line, and no longer those of one before."""
    _named.set(tuple(dict.fromkeys(name for each in arguments if is_plugins(each) for name in names(each))))


@contextmanager
def enabling(arguments: Sequence[str]) -> Iterator[None]:
    """Enable what `enable` does within this context, and afterwards what was enabled before it."""
    token = _named.set(())
    try:
        enable(arguments)
        yield
    finally:
        _named.reset(token)


def enabled() -> dict[str, str]:
    """Return the enabled packages, each with where the person named it."""
    path = settings_file()
    return dict.fromkeys(of_settings(path), str(path)) | dict.fromkeys(_named.get(), "the command line")


def again() -> str:
    """Return what a command that goes on with this one adds to name the same packages; empty where it named none."""
    return f" 'runner.plugins=[{','.join(_named.get())}]'" if _named.get() else ""


def is_plugins(argument: str) -> bool:
    """Return whether a word of a command line is `runner.plugins=…`, with any of Hydra's prefixes."""
    return argument.lstrip("+").partition("=")[0] == KEY and "=" in argument


def without(arguments: Sequence[str]) -> list[str]:
    """Return a command line without `runner.plugins=…`, for commands that take no other settings."""
    return [each for each in arguments if not is_plugins(each)]


def names(argument: str) -> list[str]:
    """Return the packages of `runner.plugins=[one,two]`; what is no list of names is told where it is composed."""
    value = argument.partition("=")[2].strip()
    if not (value.startswith("[") and value.endswith("]")):
        return []
    return [name for each in value[1:-1].split(",") if (name := each.strip().strip("'\""))]


def settings_file() -> Path:
    """Return where a person's own settings lie: `$RUNNER_SETTINGS`, or `runner/settings.yaml` among such files."""
    if named := os.environ.get("RUNNER_SETTINGS"):
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "runner" / "settings.yaml"


def of_settings(path: Path) -> list[str]:
    """Return the `plugins` of a settings file; none where there is no file.

    Raises:
        RunnerError: the file is no YAML with a list of names.
    """
    if not path.is_file():
        return []
    import yaml  # few people have such a file

    try:
        loaded: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        listed = loaded.get("plugins") or [] if isinstance(loaded, dict) else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise RunnerError(f"{path}: must hold a list of packages (plugins: [my_package]).")
    return listed


def refusals(asked: Iterable[str], where: str = "a configuration file") -> list[str]:
    """Return a message where a configuration asks for packages that nobody enabled."""
    known = enabled()
    missing = [name for name in asked if name not in known]
    if not missing:
        return []
    listed = ", ".join(missing)
    return [
        f"{KEY}=[{listed}] stands in {where}: it would execute that code, which only you can allow. "
        f"Where you trust it, add {KEY}=[{listed}] to the command line, or list it under plugins in {settings_file()}."
    ]


def usable(asked: Iterable[str] | None) -> list[str]:
    """Return the enabled ones of the packages that a configuration asks for, and those of the settings."""
    listed = of_settings(settings_file())
    return list(dict.fromkeys([*(name for name in asked or () if name in {*listed, *_named.get()}), *listed]))


def allowed(asked: Iterable[str], where: str) -> list[str]:
    """Return the packages that a configuration may name classes of: those that it asks for, and those of the settings.

    Raises:
        RunnerError: it asks for packages that nobody enabled.
    """
    wanted = list(asked)
    if messages := refusals(wanted, where):
        raise RunnerError(messages[0])
    return usable(wanted)


def is_allowed(target: str, plugins: Sequence[str], prefixes: tuple[str, ...] = ALLOWED_TARGETS) -> bool:
    """Return whether a dotted name of public names lies below one of these packages or a plugin."""
    if any(part.startswith("_") for part in target.split(".")):
        return False
    return target.startswith(prefixes) or any(target.startswith(f"{plugin}.") for plugin in plugins)


def check_targets(config: Any, plugins: Sequence[str], where: str = "") -> Iterator[str]:
    """Yield a message for every `_target_` outside the allowed packages.

    Of the known file formats only those count that the run is told to write.
    """
    if where == "export":
        named = config.get("formats") if isinstance(config.get("formats"), list) else []
        known = config.get("known") if isinstance(config.get("known"), dict) else {}
        config = {name: node for name, node in known.items() if name in named}
    if isinstance(config, dict):
        target = config.get("_target_")
        if target is not None and not is_allowed(str(target), plugins):
            yield f"{where}._target_={target}: not in an allowed package. {way_out(str(target))}"
        for key, value in config.items():
            yield from check_targets(value, plugins, f"{where}.{key}" if where else str(key))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from check_targets(value, plugins, f"{where}[{index}]")


def way_out(target: str) -> str:
    """Return how code of one's own joins; what may be named otherwise is told in the documentation."""
    package = target.split(".")[0]
    return f"For code of your own add runner.plugins=[{package}]; docs/extending.md says what may be named."
