"""First imports without the libraries that no run of runner uses: over five seconds of a start.

torchmetrics, which Lightning imports, asks which optional packages are installed and imports whole transformers,
torchvision, scipy.signal and pyplot for metrics that nobody asked for. Here they are told to be missing while the
import lasts. What was left out is made up for when it is first looked at: `torchmetrics.detection.MeanAveragePrecision`
and `metric.plot()` work as ever.

Lightning and torchvision import torch's whole compiler to ask whether a network was compiled, scikit-learn pandas and
scipy.stats for functions that no split of data calls. While these import, the modules of LATER are stood in for; a
name that was taken from one is looked up in the real module when it is called, and that is imported then.
"""

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

NAME = "torchmetrics"
LEFT_OUT = ("matplotlib", "scipy", "torchvision", "transformers")
# `whole` leaves the import as it is.
VARIABLE = "RUNNER_IMPORTS"
COMPILER = "torch._dynamo"
# Who imports what.
LATER = {
    "lightning_fabric.wrappers": (COMPILER,),
    "pytorch_lightning.trainer.connectors.logger_connector.result": (COMPILER,),
    "pytorch_lightning.utilities.compile": (COMPILER,),
    "sklearn.metrics._ranking": ("scipy.stats",),
    "sklearn.model_selection._search": ("scipy.stats",),
    "sklearn.preprocessing._data": ("scipy.stats",),
    "sklearn.utils.fixes": ("pandas", "scipy.stats"),
    "torchvision.ops.roi_align": (f"{COMPILER}.utils",),
    "torchvision.tv_tensors": (COMPILER,),
}


def install() -> None:
    """Have the next first imports be lean. For programs: it changes the process that calls it."""
    if NAME not in sys.modules and os.environ.get(VARIABLE) != "whole":
        sys.meta_path[:0] = [StandInFinder(), _Finder()]


class _Finder(MetaPathFinder):
    """Steps aside at its first use, and lets the real finder's module be executed leanly."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(NAME)
        if spec is not None and spec.loader is not None:
            plain = spec.loader.exec_module
            spec.loader.exec_module = lambda module: _execute(module, plain)  # type: ignore[method-assign]
        return spec


def _execute(module: ModuleType, plain: Callable[[ModuleType], None]) -> None:
    """Execute torchmetrics leanly, or plainly where this version of it is none that can be."""
    try:
        with _told_missing() as askers:
            plain(module)
        _make_up_later(askers)
    except Exception:
        for name in [each for each in sys.modules if each.startswith(f"{NAME}.")]:
            del sys.modules[name]
        plain(module)


@contextmanager
def _told_missing() -> Iterator[dict[str, None]]:
    """Answer torchmetrics' questions for the packages of LEFT_OUT with no; yields the modules that asked, in order."""
    imports: Any = importlib.import_module("lightning_utilities.core.imports")  # torchmetrics' own dependency
    askers: dict[str, None] = {}
    met, available = imports.RequirementCache.__bool__, imports.package_available

    def missing(question: str | None) -> bool:
        asker = sys._getframe(2).f_globals["__name__"]
        package = re.split(r"[^\w.-]", question or "")[0]
        if package not in LEFT_OUT or not asker.startswith(NAME):
            return False
        if package != "matplotlib":  # which many ask about, but only one module imports
            askers[asker] = None
        return True

    def is_met(self: Any) -> bool:
        return not missing(self.requirement) and met(self)

    def is_available(package_name: str) -> bool:
        return not missing(package_name) and bool(available(package_name))

    try:
        imports.RequirementCache.__bool__, imports.package_available = is_met, is_available
        yield askers
    finally:
        imports.RequirementCache.__bool__, imports.package_available = met, available


def _make_up_later(askers: Iterable[str]) -> None:
    """Execute again what was told that something is missing, once a name isn't found or a picture is asked for."""
    modules = [sys.modules[name] for name in askers if name != NAME]
    packages = [module for module in modules if hasattr(module, "__path__")]

    def make_up(package: ModuleType, name: str) -> Any:
        if name.startswith("__") or not hasattr(packages[0], "__getattr__"):
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
        for each in packages:
            del each.__getattr__
        # Packages last: they hand on what modules define.
        for each in sorted(modules, key=lambda module: module in packages):
            importlib.reload(each)
        return getattr(package, name)

    for package in packages:
        vars(package)["__getattr__"] = partial(make_up, package)
    plots = sys.modules[f"{NAME}.utilities.plot"]
    vars(plots)["_MATPLOTLIB_AVAILABLE"] = _Pyplot(plots)


class _Pyplot:
    """The answer to whether there is matplotlib, which imports it first."""

    def __init__(self, plots: ModuleType) -> None:
        self.plots = plots

    def __bool__(self) -> bool:
        return bool(vars(importlib.reload(self.plots))["_MATPLOTLIB_AVAILABLE"])


class StandInFinder(MetaPathFinder):
    """Has the modules that LATER names executed before stand-ins of what they import."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the real finder's answer, to be executed in another way; None for every other module."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname in LATER else None
        if spec is not None and spec.loader is not None:
            plain = spec.loader.exec_module
            spec.loader.exec_module = lambda module: execute(module, plain)  # type: ignore[method-assign]
        return spec


def execute(module: ModuleType, plain: Callable[[ModuleType], None]) -> None:
    """Execute a module before stand-ins, or plainly where this version of it needs the real ones at once."""
    try:
        with stood_in(LATER[module.__name__]):
            plain(module)
    except Exception:
        plain(module)


@contextmanager
def stood_in(names: Iterable[str] = (COMPILER,)) -> Iterator[None]:
    """Within this context modules that nobody has imported are stood in for; a torch optimizer is made without more."""
    stand_ins = {name: _StandIn(name) for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            _real(name)


def _real(name: str) -> ModuleType | None:
    """Return a module that was imported, and take a stand-in for it away."""
    if isinstance(sys.modules.get(name), _StandIn):
        del sys.modules[name]
    return sys.modules.get(name)


class _StandIn(ModuleType):
    """A module that nobody has imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return _disable if (self.__name__, name) == (COMPILER, "disable") else _Later(self.__name__, name)


class _Later:
    """A class or a function of a module that is imported when it is called."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        module = _real(self.module) or importlib.import_module(self.module)
        return getattr(module, self.name)(*args, **kwargs)

    def __instancecheck__(self, value: Any) -> bool:
        """Return whether this is the class of `value`; nothing is of a class that wasn't imported yet."""
        found = getattr(_real(self.module), self.name, None)
        return found is not None and isinstance(value, found)


def _disable(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Return a function that is not compiled: itself, until somebody imports torch's compiler."""
    disabled: Callable[..., Any] | None = None

    @wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        nonlocal disabled
        compiler = sys.modules.get(COMPILER)
        if disabled is None and compiler is not None and not isinstance(compiler, _StandIn):
            disabled = compiler.disable(function, *args, **kwargs)
        return (disabled or function)(*given, **named)

    return call
