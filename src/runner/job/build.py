"""The only place that turns a configuration node into an object: allowed packages, known keywords, clear errors."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from runner.config.rules import is_allowed
from runner.errors import RunnerError, did_you_mean

# What a YAML declares for the checks and for other sections to read; its target does not take it.
DECLARATIONS = {
    "data": ("kind", "tasks", "num_targets", "num_features", "num_nodes", "estimates_layers"),
    "model": ("takes", "tasks", "propagates"),
    "scheduler": ("interval", "monitor"),
    "task": ("name", "takes", "readout", "num_outputs", "outputs", "monitor", "monitor_mode"),
}
_plugins: ContextVar[tuple[str, ...]] = ContextVar("plugins", default=())


@contextmanager
def plugins(packages: list[str]) -> Iterator[None]:
    """Within this context `_target_` may also name these packages; the working directory is importable."""
    token = _plugins.set(tuple(packages))
    here = str(Path.cwd())
    added = bool(packages) and here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        _plugins.reset(token)
        if added:
            sys.path.remove(here)


def build(config: DictConfig, section: str, **extra: Any) -> Any:
    """Return the object that a section (`model`, `callbacks.ema`) describes.

    `extra` are keywords that no YAML can hold.

    Raises:
        RunnerError: the target is not allowed, does not exist, does not take a keyword, or refuses its values.
    """
    node = OmegaConf.to_container(OmegaConf.select(config, section), resolve=True)
    assert isinstance(node, dict)
    declared = DECLARATIONS.get(section, ())
    return build_node({str(key): value for key, value in node.items() if key not in declared}, section, **extra)


def build_node(node: dict[str, Any], where: str, **extra: Any) -> Any:
    """Like `build`, for a plain node; `where` names it in messages."""
    for place, child in targets(node, where):
        check_call(place, child, set(extra) if child is node else set())
    place = f"{where} ({node['_target_']})"
    try:
        built = instantiate(node, _convert_="all", **extra)
    except InstantiationException as error:
        raise explained(place, error.__cause__ or error) from error
    return Deferred(built, place) if isinstance(built, partial) else built


class Deferred(partial[Any]):
    """What `_partial_: true` makes: called later with the rest, it explains refused values like `build`."""

    place: str

    def __new__(cls, made: Callable[..., Any], place: str = "") -> "Deferred":  # a copy restores the place itself
        deferred = super().__new__(cls, made)
        deferred.place = place
        return deferred

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the object; raises RunnerError where the target refuses its values."""
        try:
            return super().__call__(*args, **kwargs)
        except Exception as error:
            raise explained(self.place, error) from error


def explained(place: str, error: BaseException) -> BaseException:
    """Return the RunnerError for what a target said to the values it was given."""
    if isinstance(error, RunnerError):
        return error
    if type(error).__name__ == "MisconfigurationException":  # Lightning's; this module works without Lightning
        hint = " What this machine has: python -m runner doctor" if "gpu" in str(error).lower() else ""
        return RunnerError(f"{place}: {error}{hint}")
    if isinstance(error, (ValueError, TypeError, OSError, ImportError)):
        return RunnerError(f"{place}: {error}")
    # Also a plain bug of the target ends here; its traceback is one word away.
    return RunnerError(f"{place}: {type(error).__name__}: {error}. Where: add mode=debug.")


def targets(node: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every node with a `_target_`, with its place."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield where, node
        for key, value in node.items():
            yield from targets(value, f"{where}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from targets(value, f"{where}[{index}]")


def check_call(where: str, node: dict[str, Any], extra: set[str]) -> None:
    """Raise RunnerError unless the target is allowed, exists and takes these keywords."""
    target = locate(where, str(node["_target_"]))
    given = {key for key in node if not key.startswith("_")} | extra
    try:
        parameters = inspect.signature(target).parameters
    except ValueError:  # some built-in callables have no signature; they complain themselves
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    unknown = sorted(given - set(parameters))
    if unknown:
        hints = "".join(did_you_mean(word, parameters) for word in unknown)
        raise RunnerError(
            f"{where}: {node['_target_']} does not take {', '.join(unknown)}.{hints} "
            f"It takes: {', '.join(name for name in parameters if name != 'self')}."
        )


def absence(dotted: str, error: Exception) -> str:
    """Return why there is no such class or function: its module is fine and lacks the name, or cannot be imported."""
    module, _, name = dotted.rpartition(".")
    try:
        names = dir(get_object(module))
    except Exception:
        return f"cannot be imported ({' '.join(str(error).split())})."
    return f"does not exist in that module.{did_you_mean(name, names)}"


def locate(where: str, dotted: str) -> Callable[..., Any]:
    """Return the class or function of this name.

    It must lie in an allowed package, and so must where it was defined.
    """
    allowed = list(_plugins.get())
    if not is_allowed(dotted, allowed):
        raise RunnerError(f"{where}._target_={dotted}: not in an allowed package. Add runner.plugins=[PACKAGE].")
    try:
        found = get_object(dotted)
    except (ImportError, InstantiationException) as error:
        raise RunnerError(f"{where}._target_={dotted}: {absence(dotted, error)}") from error
    home = f"{getattr(found, '__module__', '')}."
    roots = ("torch.", "torchvision.", "lightning_fabric.", "timm.", "torch_geometric.")
    # A dotted name can wander: torch.nn.functional.os.system begins well and ends in the shell.
    if not callable(found) or not (is_allowed(home, allowed) or home.startswith(roots)):
        raise RunnerError(f"{where}._target_={dotted}: is defined in {home.rstrip('.')}, outside the allowed packages.")
    return found
