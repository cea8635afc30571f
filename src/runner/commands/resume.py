"""python -m runner resume: go on with a run that stopped."""

import argparse
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from runner.config import resolvers, rules, schema
from runner.config.resolve import resolve
from runner.errors import RunnerError
from runner.tracking.run_directory import ENVIRONMENT_VARIABLE, RunDirectory

DESCRIPTION = (
    "Continues an interrupted, failed or killed run in its own directory, from its last checkpoint. "
    "On the CPU the finished run equals an uninterrupted one bit for bit."
)
EXAMPLE = "example:\n  python -m runner resume outputs/runs/2026-01-31/12-00-00-cnn-digits"


def main(arguments: Sequence[str]) -> int:
    """Resumes and prints the result; raises RunnerError where there is nothing to resume."""
    parser = argparse.ArgumentParser(
        "python -m runner resume",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_directory", type=Path)
    options = parser.parse_args(arguments)
    record = RunDirectory(options.run_directory, primary=int(os.environ.get("LOCAL_RANK", "0")) == 0)
    resolvers.register()
    config = record.config()
    if record.primary:
        refuse_unless_complete(config, record)
        refuse_unless_stopped(record)
    os.environ[ENVIRONMENT_VARIABLE] = str(record.path)
    # Left unresolved so that ${run_directory:} means where the directory lies now.
    OmegaConf.set_struct(config, True)

    from runner.run import run
    from runner.tracking.console import show_result

    result = run(config, record, resume=True)
    if record.primary:
        show_result(result)
    return 0


def refuse_unless_complete(config: DictConfig, record: RunDirectory) -> None:
    """Raises RunnerError where config.yaml lacks what a run needs, or somebody's change made it wrong."""
    plain = resolve(config)[0]
    messages = list(rules.check_sections(plain)) or schema.check_types(plain)
    if messages:
        raise RunnerError(f"{record.path / 'config.yaml'}: cannot be resumed. {' '.join(messages)}")


def refuse_unless_stopped(record: RunDirectory) -> None:
    """Raises RunnerError when the run is finished or still going on."""
    status = record.status
    if status.get("state") == "done":
        raise RunnerError(
            f"{record.path}: this run is finished. Start from its weights with checkpoint={record.path}, "
            "or read its result.json."
        )
    if status.get("state") == "running" and is_alive(status):
        raise RunnerError(f"{record.path}: this run is still going on (process {status['pid']}).")


def is_alive(status: dict[str, object]) -> bool:
    """Whether the process that status.json names still runs on this machine."""
    if status.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(str(status["pid"])), 0)
    except (KeyError, ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
