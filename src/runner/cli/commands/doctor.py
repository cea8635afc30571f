"""python -m runner doctor: what this machine has, what is missing, and how to get it."""

import argparse
import os
import re
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from runner.cli.columns import print_columns

DESCRIPTION = "Shows versions, processor, threads, GPUs, compiler, extras with their install hints, and weights."
EXAMPLE = "example:\n  python -m runner doctor"


def main(arguments: Sequence[str]) -> int:
    """Print one table; nothing on the machine is changed."""
    parser = argparse.ArgumentParser(
        "python -m runner doctor",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)

    from runner.tracking.environment import environment

    found = environment()
    cpu = found["cpu"]
    compiler = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
    usable = "" if cpu["usable"] == cpu["cores"] else f", {cpu['usable']:g} of them for this process"
    waiting = ", ".join(f"{name}={value}" for name, value in found["waiting"].items())
    rows = [
        ("python", f"{found['python']} on {found['platform']}"),
        *found["versions"].items(),
        ("processor", f"{cpu['model']}, {cpu['cores']} cores{usable}, {found['threads']} threads used"),
        ("threads wait", f"{waiting or 'as their library does'}: awake for long they hold cores that others need"),
        ("instruction sets", ", ".join(cpu["flags"]) or "none that matter"),
        ("GPUs", ", ".join(found["gpus"]) or "none"),
        ("C++ compiler", compiler or "none: install g++ to use compile=true"),
    ]
    for extra, missing in extras().items():
        hint = f"missing {', '.join(missing)}: pip install 'runner[{extra}]'"
        rows.append((f"extra {extra}", hint if missing else "installed"))
    print_columns([*rows, *weights()])
    return 0


def weights() -> list[tuple[str, str]]:
    """Return where trained weights are looked for, and of each package that carries some its origin and licence."""
    from runner.models.weights.files import FOLDER
    from runner.models.weights.packages import CARRIERS

    folder = os.environ.get(FOLDER)
    state = "not set: libraries' caches and packages only" if folder is None else folder
    missing = " (no folder)" if folder is not None and not Path(folder).expanduser().is_dir() else ""
    rows = [(FOLDER, f"{state}{missing}")]
    for each in CARRIERS:
        found = "installed" if each.present else f"missing: {each.install}"
        rows.append((f"weights {each.module}", f"{found}; {each.holds}, {each.origin}; {each.licence}"))
    return rows


def extras() -> dict[str, list[str]]:
    """For each optional extra of this package, which of its requirements are not installed."""
    missing: dict[str, list[str]] = {}
    for requirement in metadata.requires("runner") or []:
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        name = re.match(r"[\w.-]+", requirement)
        if extra is None or name is None:
            continue
        absent = missing.setdefault(extra.group(1), [])
        try:
            metadata.version(name.group())
        except metadata.PackageNotFoundError:
            absent.append(name.group())
    return missing
