"""One run from its configuration to its result: the order of the stages, and the process around it.

Called, as `runner.run(…)`, it does that from Python: see `runner.run.call`.
"""

import sys
from types import ModuleType
from typing import Any


class CallableRun(ModuleType):
    """This package: `runner.run` names it as well as the function, whichever is imported first."""

    def __call__(self, *overrides: str, **options: Any) -> Any:
        """See `runner.run.call.run`."""
        from runner.run.call import run

        return run(*overrides, **options)


sys.modules[__name__].__class__ = CallableRun
