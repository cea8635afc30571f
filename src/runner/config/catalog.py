"""What can be chosen: every YAML under conf/, read by its three header lines alone."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError

HYDRA_GROUPS = ("hydra",)
# The word means something else there: the kind of recipe.
KINDS_ARE_ELSEWHERE = "quantization"
DECLARED_KIND = re.compile(r"^(?:kind|takes):[ ]*(\[[^\]]*\]|[\w-]+)", re.MULTILINE)


@dataclass(frozen=True)
class Choice:
    """One file of a group; its header comment is its documentation."""

    group: str
    name: str
    path: Path
    what: str
    command: str
    expect: str


Known = Mapping[str, Mapping[str, Choice]]


def own_config_directory() -> Path:
    """Return the conf/ that belongs to this installation: beside the package in a wheel, at the root of a checkout."""
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "conf", package.parents[1] / "conf")
    for candidate in candidates:
        if (candidate / "config.yaml").is_file():
            return candidate
    raise RunnerError(f"The configuration files are missing: neither {candidates[0]} nor {candidates[1]} exists.")


def config_directories(config_dir: str | None = None) -> list[Path]:
    """Where choices are looked for, first match first: our own, ./conf of the working directory, --config-dir."""
    directories = [own_config_directory()]
    if config_dir is not None and not Path(config_dir).is_dir():
        raise RunnerError(f"--config-dir {config_dir}: there is no such directory.")
    for extra in (Path("conf"), Path(config_dir) if config_dir else None):
        if extra is not None and extra.is_dir() and extra.resolve() not in directories:
            directories.append(extra.resolve())
    return directories


def header(path: Path) -> tuple[str, str, str]:
    """Return the header's three lines (what, command, what to expect) of a YAML file; empty where a line is missing."""
    lines = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.startswith("#"):
                break
            text = line.lstrip("#").strip()
            if not text.startswith("@package"):
                lines.append(text)
    what, command, expect = [*lines, "", "", ""][:3]
    return what, command, expect


def kinds(path: Path) -> list[str]:
    """Return the kinds of data that a file declares: what its data is (`kind`), or what its network or task `takes`."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if KINDS_ARE_ELSEWHERE in path.parts[-3:-1]:
        return []
    found = DECLARED_KIND.search(text)
    return [each.strip() for each in found.group(1).strip("[]").split(",")] if found else []


def choices(directories: Sequence[Path]) -> dict[str, dict[str, Choice]]:
    """Return all groups and their choices: `{"model": {"cnn": Choice(…), …}, "quantization/backend": …}`, sorted."""
    found: dict[str, dict[str, Choice]] = {}
    for directory in directories:
        for path in sorted(directory.rglob("[!_]*.yaml")):
            group = path.parent.relative_to(directory).as_posix()
            if group == "." or group.split("/")[0] in HYDRA_GROUPS:
                continue
            found.setdefault(group, {}).setdefault(path.stem, Choice(group, path.stem, path, *header(path)))
    return {group: dict(sorted(found[group].items())) for group in sorted(found)}


def fingerprint(directories: Sequence[Path]) -> str:
    """Return what changes whenever a YAML file in these directories does: a digest of paths, sizes and times."""
    found = sorted(path for directory in directories for path in directory.rglob("*.yaml"))
    told = [(str(path), each.st_ino, each.st_size, each.st_mtime_ns) for path in found for each in [path.stat()]]
    return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()
