"""Environment of a run: revision, versions, processor, threads, GPUs."""

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from runner.measure.machine import SPINS, WAITING, cores, instruction_sets

PACKAGES = (
    "runner",
    "torch",
    "torchvision",
    "torchao",
    "pytorch-lightning",
    "torchmetrics",
    "torch-geometric",
    "hydra-core",
    "omegaconf",
    "timm",
    "numpy",
    "scikit-learn",
)


def environment() -> dict[str, Any]:
    """Return everything as one JSON-serialisable dictionary."""
    import torch

    return {
        "git": git_state(Path.cwd()),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": dict(versions()),
        "cpu": {"model": cpu_model(), "flags": list(instruction_sets()), "cores": os.cpu_count(), "usable": cores()},
        "threads": torch.get_num_threads(),
        "waiting": {name: os.environ[name] for name in (WAITING, SPINS) if name in os.environ},
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


@cache
def versions() -> dict[str, str]:
    """Return the installed versions of what decides a result; looked up once, for the runs of a sweep are many."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state(directory: Path) -> dict[str, Any] | None:
    """Return the checkout's revision and whether it has uncommitted changes; None without checkout or git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(directory), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"revision": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def cpu_information() -> str:
    """Return the text of /proc/cpuinfo, empty where the system has none."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def cpu_model() -> str:
    """Return the processor's name."""
    for line in cpu_information().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
