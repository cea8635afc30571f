"""Sweeps: the plan of jobs, their execution, searches and goals, and the record on disk.

Called, as `runner.sweep(…)`, it does that from Python: see `runner.sweep.call`.
"""

import sys
from types import ModuleType
from typing import Any


class CallableSweep(ModuleType):
    """This package: `runner.sweep` names it as well as the function, whichever is imported first."""

    def __call__(self, *overrides: str, **options: Any) -> Any:
        """See `runner.sweep.call.sweep`."""
        from runner.sweep.call import sweep

        return sweep(*overrides, **options)


sys.modules[__name__].__class__ = CallableSweep
