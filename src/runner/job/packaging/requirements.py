"""The packages that a served folder needs, with the versions installed here, and hashes where pip gives them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from runner.errors import RunnerError

WEB = ("fastapi", "uvicorn", "uvloop", "httptools", "python-multipart", "prometheus-client")
# By the format of the file, and by the kind of what is read.
RUNTIMES = {"onnx": ("onnxruntime",), "openvino": ("openvino",)}
READING = {"image": ("pillow",), "text": ("pillow",), "table": ("pillow", "pyarrow", "pandas")}
# Which runtimes name and serving never loads.
UNUSED = {"sympy", "mpmath", "coloredlogs", "humanfriendly", "openvino-telemetry"}


def pinned(form: str, kind: str) -> list[str]:
    """Return `name==version` of all packages needed, their own requirements included.

    Raises:
        RunnerError: one isn't installed here, so that its version isn't known.
    """
    found: dict[str, str] = {}
    waiting = [(name, False) for name in ("numpy", *WEB, *RUNTIMES[form], *READING[kind])]
    while waiting:
        name, conditional = waiting.pop()
        if name in found or name in UNUSED:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if conditional:
                continue
            raise RunnerError(f"Packaging needs {name} installed here: pip install 'runner[serve,{form}]'") from None
        found[name] = distribution.version
        waiting += [required for each in distribution.requires or () if (required := asked(each))]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def asked(requirement: str) -> tuple[str, bool] | None:
    """Return the name of a required package, and whether other machines only may need it; None of one for an extra."""
    name, _, marker = requirement.partition(";")
    found = re.match(r"[\w.-]+", name)
    return (normal(found.group()), bool(marker)) if found and "extra" not in marker else None


def normal(name: str) -> str:
    """Return a package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def hashed(pins: Iterable[str]) -> tuple[list[str], bool]:
    """Return the lines of a requirements file, each with the hash of the file that pip would install here.

    Returns the pins as they are, and False, where pip can't say: without an index, or of an old pip.
    """
    listed = list(pins)
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    try:
        told = subprocess.run([*command, "--report", "-", *listed], capture_output=True, timeout=120, check=True).stdout
        entries = json.loads(told)["install"]
        hashes = {
            normal(each["metadata"]["name"]): each["download_info"]["archive_info"]["hashes"]["sha256"]
            for each in entries
        }
        return [f"{pin} --hash=sha256:{hashes[pin.partition('==')[0]]}" for pin in listed], True
    except (subprocess.SubprocessError, OSError, ValueError, KeyError, TypeError):
        return listed, False


def write(path: Path, form: str, kind: str, *, offline: bool = False) -> bool:
    """Write a requirements file; return whether it holds hashes."""
    pins = pinned(form, kind)
    lines, sure = (pins, False) if offline else hashed(pins)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return sure
