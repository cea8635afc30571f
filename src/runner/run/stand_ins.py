"""Stand-ins for modules that libraries import for a name or two: over two seconds of processor time of every start.

Lightning and torchvision import torch's whole compiler to ask whether a network was compiled, scikit-learn pandas and
scipy.stats for functions that no split of data calls. While these import, the modules of LATER are stood in for; a
name that was taken from one is looked up in the real module when it is called, and that is imported then.
"""

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

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
