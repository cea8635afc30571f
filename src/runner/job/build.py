"""The only place that turns a configuration node into an object: allowed packages, known keywords, clear errors."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from runner.config import plugins
from runner.config.plugins import ALLOWED_FUNCTIONS, is_allowed, way_out
from runner.errors import RunnerError, did_you_mean, join_errors
from runner.job.annotated import misfits

# What a YAML declares for the checks and for other sections to read; its target does not take it.
DECLARATIONS = {
    "data": ("kind", "content", "tasks", "num_targets", "num_features", "num_nodes", "estimates_layers"),
    "model": ("takes", "tasks", "propagates", "float_layers", "refuses"),
    "scheduler": ("interval", "monitor"),
    "task": ("name", "takes", "readout", "num_outputs", "outputs", "monitor", "monitor_mode"),
}
# What a node says of the call itself.
CALL_WORDS = ("_target_", "_args_", "_partial_", "_recursive_", "_convert_")
# Of the keywords that a target does not take, so many are named.
TOLD = 10
_importable: ContextVar[tuple[str, ...]] = ContextVar("importable", default=())


@contextmanager
def allowing(asked: Iterable[str], where: str) -> Iterator[None]:
    """Within this context `_target_` may also name these packages; the working directory is importable.

    Args:
        asked: what a configuration asks for; only a person enables it.
        where: the file or directory of that configuration.

    Raises:
        RunnerError: nobody enabled one of them.
    """
    packages = plugins.allowed(asked, where)
    token = _importable.set(tuple(packages))
    here = str(Path.cwd())
    added = bool(packages) and here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        _importable.reset(token)
        if added:
            sys.path.remove(here)


def build(config: DictConfig, section: str, **extra: Any) -> Any:
    """Return the object that a section (`model`, `callbacks.ema`) describes.

    `extra` are keywords that no YAML can hold.

    Raises:
        RunnerError: the target is not allowed, does not exist, does not take a keyword, or refuses its values.
    """
    selected = OmegaConf.select(config, section)
    node = OmegaConf.to_container(selected, resolve=True) if isinstance(selected, DictConfig) else None
    if not isinstance(node, dict) or "_target_" not in node:
        raise RunnerError(f"{section}: must be a section with a _target_, the class that it makes.")
    declared = DECLARATIONS.get(section, ())
    return build_node({str(key): value for key, value in node.items() if key not in declared}, section, **extra)


def build_node(node: dict[str, Any], where: str, **extra: Any) -> Any:
    """Like `build`, for a plain node; `where` names it in messages.

    Every target in it is checked before the first is called. Nothing in a value is resolved again, as Hydra's
    `instantiate` would do with an interpolation that stands there as text: what was checked is what is called.
    """
    for place, child in targets(node, where):
        check_call(place, child, set(extra) if child is node else set())
    return call(node, where, extra)


def call(node: dict[str, Any], where: str, extra: dict[str, Any]) -> Any:
    """Return what a node's target makes of its arguments, which are made first unless `_recursive_` is false."""
    place = f"{where} ({node['_target_']})"
    target = locate(where, str(node["_target_"]))
    inner = made if node.get("_recursive_", True) else lambda value, _: value
    positional = [inner(value, f"{where}._args_[{index}]") for index, value in enumerate(node.get("_args_", []))]
    keywords = {key: inner(value, f"{where}.{key}") for key, value in node.items() if key not in CALL_WORDS} | extra
    if node.get("_partial_"):
        return Deferred(partial(target, *positional, **keywords), place)
    try:
        return target(*positional, **keywords)
    except Exception as error:
        raise explained(place, error) from error


def made(value: Any, where: str) -> Any:
    """Return a value with every node in it that has a `_target_` replaced by what that makes."""
    if isinstance(value, list):
        return [made(each, f"{where}[{index}]") for index, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "_target_" in value:
        return call(value, where, {})
    return {key: made(each, f"{where}.{key}") for key, each in value.items()}


class Deferred(partial[Any]):
    """What `_partial_: true` makes: called later with the rest, it explains refused values like `build`."""

    place: str

    def __new__(cls, later: Callable[..., Any], place: str = "") -> "Deferred":  # a copy restores the place itself
        deferred = super().__new__(cls, later)
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
    """Raise RunnerError unless the target is allowed, exists and takes these keywords, with values of these kinds."""
    target = locate(where, str(node["_target_"]))
    if wrong := [*misfits(target, node, where)]:
        raise join_errors(wrong)
    given = {key for key in node if not key.startswith("_")} | extra
    try:
        parameters = inspect.signature(target).parameters
    except ValueError:  # some built-in callables have no signature; they complain themselves
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    if unknown := sorted(given - set(parameters)):
        told = unknown[:TOLD]
        more = f" and {len(unknown) - len(told):,} more" if unknown[TOLD:] else ""
        raise RunnerError(
            f"{where}: {node['_target_']} does not take {', '.join(told)}{more}."
            f"{''.join(did_you_mean(word, parameters) for word in told)} "
            f"It takes: {', '.join(name for name in parameters if name != 'self')}."
        )


def locate(where: str, dotted: str) -> Callable[..., Any]:
    """Return the class or function of this name, which is looked for in its module and nowhere that leads on from it.

    It must be what its own module and name say: a module's imports are not its classes.

    Raises:
        RunnerError: it is not allowed, does not exist, or is something else than a class or a listed function.
    """
    allowed = list(_importable.get())
    if not is_allowed(dotted, allowed):
        raise RunnerError(f"{where}._target_={dotted}: not in an allowed package. {way_out(dotted)}")
    module, _, name = dotted.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise RunnerError(f"{where}._target_={dotted}: {absence(module, name, error)}") from error
    if why := objection(found, dotted, allowed):
        raise RunnerError(f"{where}._target_={dotted}: {why}")
    return cast("Callable[..., Any]", found)


def absence(module: str, name: str, error: Exception) -> str:
    """Return why there is no such class or function: its module is fine and lacks the name, or cannot be imported."""
    if module in sys.modules:
        return f"does not exist in that module.{did_you_mean(name, dir(sys.modules[module]))}"
    return f"cannot be imported ({' '.join(str(error).split())})."


def objection(found: Any, dotted: str, allowed: list[str]) -> str | None:
    """Return why an object may not be called: it comes from elsewhere, or is neither class nor listed function.

    A package may name what its own modules define (`torch.nn.Linear` of `torch.nn.modules.linear`).
    """
    if not isinstance(found, (type, FunctionType)):
        return f"is no class, but a {type(found).__name__}; outside the allowed packages' classes nothing is called."
    package, _, name = dotted.rpartition(".")
    home = f"{found.__module__}.{found.__qualname__}"
    if found.__qualname__ != name or not f"{found.__module__}.".startswith(f"{package}."):
        return f"is {home} by its own name, outside the allowed packages or by another name; name that one."
    if isinstance(found, FunctionType) and not is_builder(found, dotted, allowed):
        return "is a function, and in the allowed packages only those may be called that make a network or a schedule."
    return None


def is_builder(function: FunctionType, dotted: str, allowed: list[str]) -> bool:
    """Return whether a function is the user's own or one that makes a network or a schedule."""
    if not is_allowed(dotted, allowed, ALLOWED_FUNCTIONS):
        return False
    library, name = dotted.split(".")[0], function.__name__
    if library == "torchvision":
        from torchvision.models import get_model_builder, list_models

        return name in list_models() and get_model_builder(name) is function
    if library == "timm":
        import timm

        return bool(timm.is_model(name)) and timm.model_entrypoint(name) is function
    return True
