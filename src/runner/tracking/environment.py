"""Where a run ran: revision, versions, processor, threads, GPUs."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

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
# The instruction sets that decide how fast a network runs on a CPU.
TELLING_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
)


def environment() -> dict[str, Any]:
    """Everything as one JSON-serialisable dictionary."""
    import torch

    return {
        "git": git_state(Path.cwd()),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions(),
        "cpu": {"model": cpu_model(), "flags": cpu_flags(), "cores": os.cpu_count()},
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


def versions() -> dict[str, str]:
    """Installed versions of what decides a result."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state(directory: Path) -> dict[str, Any] | None:
    """Revision of the checkout and whether it has uncommitted changes; None outside a checkout or without git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(directory), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        return {"revision": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def cpu_information() -> str:
    """The text of /proc/cpuinfo, empty where the system has none."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def cpu_flags() -> list[str]:
    """Which of the telling instruction sets this processor has."""
    words = set()
    for line in cpu_information().splitlines():
        if line.startswith(("flags", "Features")):
            words = set(line.split(":", 1)[1].split())
            break
    return [flag for flag in TELLING_FLAGS if flag in words]


def cpu_model() -> str:
    """The processor's name."""
    for line in cpu_information().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def command_line() -> list[str]:
    """How this process was started, as the user would type it."""
    return ["python", "-m", "runner", *sys.argv[1:]]
