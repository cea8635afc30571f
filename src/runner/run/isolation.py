"""What a call from Python leaves behind: nothing but its run directory."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra.core.hydra_config import HydraConfig
from hydra.version import VersionBase

from runner.config import plugins
from runner.errors import RunnerError, system_trouble
from runner.tracking.signals import Interrupted

SIGINT_STATUS = 130


@contextmanager
def isolated(overrides: Sequence[str] = ()) -> Iterator[None]:
    """Put back afterwards what a command line may leave as it is: its process ends, and that of a notebook goes on.

    That is the environment, sys.argv, warning filters, Hydra's singletons, and the plugins that `overrides` enable.
    Handlers of signals and of logs are put back by the run itself.

    Raises:
        RunnerError: also where a disk is full or another limit of the system is reached.
        KeyboardInterrupt: Ctrl-C; it says how to go on.
    """
    environment, arguments = dict(os.environ), sys.argv
    hydra, version = HydraConfig.instance().cfg, VersionBase.instance().version_base
    try:
        with warnings.catch_warnings(), plugins.enabling(overrides):
            yield
    except Interrupted as signal:
        if signal.exit_status != SIGINT_STATUS:
            raise
        place = (
            "" if signal.run_directory is None else f"; continue with: python -m runner resume {signal.run_directory}"
        )
        raise KeyboardInterrupt(f"{signal}{place}") from None
    except (OSError, MemoryError, RuntimeError) as error:
        if trouble := system_trouble(error):
            raise RunnerError(f"{trouble}, and call it again.") from error
        raise
    finally:
        HydraConfig.instance().cfg = hydra
        VersionBase.instance().version_base = version
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(environment)


@contextmanager
def same_numbers() -> Iterator[None]:
    """Put back the states of all random generators, and how torch computes, at the end of this context."""
    import torch
    from pytorch_lightning.utilities.seed import isolate_rng

    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    benchmark, exact = cudnn.benchmark, cudnn.deterministic
    try:
        with isolate_rng():
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        cudnn.benchmark, cudnn.deterministic = benchmark, exact
