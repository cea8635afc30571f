"""One run as its directory tells it, however little that is: its state, its settings, what came of it."""

import math
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from runner.files.reading import BYTES, NODES, TooLargeError, check_yaml, parse_json, read_bytes
from runner.tracking import layout, lock
from runner.tracking.identity import flatten

# No value at all; null is a value.
MISSING = object()
DONE = "done"
# Without these a result.json cannot be reported.
ENTRIES = ("name", "identity", "metrics", "seconds")
# States in which `python -m runner resume` goes on.
RESUMABLE = ("failed", "interrupted", "died")
LENGTH = 160


class Loader(yaml.CSafeLoader):
    """YAML as OmegaConf reads it: what looks like a date is text."""

    yaml_implicit_resolvers: ClassVar[Any] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def read_json(path: Path, most: int = BYTES, values: int = NODES) -> tuple[dict[str, Any], str]:
    """Return the object in a file, and a complaint; both are empty where there is no such file.

    Args:
        most, values: bytes and values of the largest that is read.
    """
    try:
        content = parse_json(read_bytes(path, most), values)
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"{path.name}: {error.strerror}"
    except TooLargeError as error:
        return {}, f"{path.name} is not read: {error}"
    except ValueError as error:
        return {}, f"{path.name} is no JSON ({error})"
    if isinstance(content, dict) and content:
        return content, ""
    return {}, f"{path.name} holds no entries"


def read_yaml(path: Path, kind: type) -> Any:
    """Return the content of a file where it is of this kind, otherwise an empty one."""
    try:
        text = read_bytes(path)
        check_yaml(text)
        content = yaml.load(text, Loader)
    except (OSError, ValueError, yaml.YAMLError):
        content = None
    return content if isinstance(content, kind) else kind()


def mapping(value: Any) -> dict[str, Any]:
    """Return the value if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def numbers(value: Any) -> dict[str, float]:
    """Return the entries of a mapping that are finite numbers."""
    return {key: each for key, each in mapping(value).items() if is_number(each)}


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def size_of(artifact: Any) -> int | None:
    """Return the bytes of an artifact's entry."""
    size = mapping(artifact).get("bytes")
    return size if isinstance(size, int) else None


@dataclass(frozen=True)
class RunRecord:
    """One run directory.

    Attributes:
        path: absolute.
        state: done, failed, interrupted, running, died (its process is gone), unfinished (it never began),
            older layout, or damaged.
        reason: why it is not done, in one line; empty for one that is.
        settings: the resolved configuration by dotted keys; lists stay whole.
        identity: equal for equal experiments; empty where the run did not come so far as to record it.
        choices: configuration group to the file chosen of it; empty where the run did not record them.
        metrics: by full name (`test/accuracy`); what was no finite number is left out.
        artifacts: bytes of each artifact.
        started: seconds since 1970.
        overrides: what the command line said.
        stopped: why its training was ended early on request, as a search does; empty for all others.
        warnings: what was noticed of it, in sentences.
        held: the stages that were put off, its test among them; empty where all were done.
    """

    path: Path
    name: str
    state: str
    reason: str
    identity: str
    settings: dict[str, Any]
    choices: dict[str, str]
    metrics: dict[str, float]
    seconds: dict[str, float]
    parameters: int | None
    artifacts: dict[str, int]
    started: float | None
    overrides: tuple[str, ...] = ()
    stopped: str = ""
    warnings: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


def value_of(run: RunRecord, column: str) -> Any:
    """Return a choice, a setting, or MISSING; where no choices were recorded, the name of the section's class."""
    if column in run.choices:
        return run.choices[column]
    if not run.choices and isinstance(target := run.settings.get(f"{column}._target_"), str):
        return target.rpartition(".")[2]
    return run.settings.get(column, MISSING)


def read_run(path: Path) -> RunRecord:
    """Read the files of one run directory, however few they are."""
    result, damage = read_json(path / layout.RESULT)
    status, trouble = read_json(path / layout.STATUS)
    state, reason = DONE, ""
    if damage or (trouble and not result):
        state, reason = "damaged", damage or trouble
    elif result:
        state, reason = ("older layout", missing) if (missing := missing_entries(result)) else (state, reason)
    else:
        state, reason = state_of(status, held=lock.is_held(path))
    # What a run that stopped has measured so far lies in status.json, under the same keys.
    told = result or status
    settings = mapping(result.get("settings"))
    config = {} if settings else read_yaml(path / layout.CONFIG, dict)
    parameters = result.get("parameters")
    return RunRecord(
        path=path,
        name=str(result.get("name") or config.get("name") or path.name),
        state=state,
        reason=reason,
        identity=str(result.get("identity") or ""),
        settings=settings or flatten(config),
        choices={key: str(value) for key, value in mapping(told.get("choices")).items()},
        metrics=numbers(told.get("metrics")),
        seconds=numbers(told.get("seconds")),
        parameters=parameters if isinstance(parameters, int) and is_number(parameters) else None,
        artifacts={name: size for name, each in mapping(told.get("artifacts")).items() if (size := size_of(each))},
        started=numbers(status).get("started"),
        overrides=tuple(str(each) for each in read_yaml(path / layout.OVERRIDES, list)),
        stopped=str(status.get("stopped") or ""),
        warnings=sentences(told.get("warnings")),
        held=tuple(map(str, status["held"])) if isinstance(status.get("held"), list) else (),
    )


def sentences(notices: Any) -> tuple[str, ...]:
    """Return the texts of what a run's record holds under `warnings`."""
    found = notices if isinstance(notices, list) else []
    return tuple(text for each in found if isinstance(text := mapping(each).get("text"), str))


def job_without_run(path: Path, job: Mapping[str, Any]) -> RunRecord:
    """Return the record of a job that left no run directory: skipped, waiting, or failed before it had one."""
    texts = job.get("overrides")
    overrides = tuple(map(str, texts)) if isinstance(texts, list) else ()
    typed = [text.partition("=") for text in overrides]
    settings = mapping(job.get("settings"))
    state, error = str(job.get("state")), first_line(job.get("error"), "")
    return RunRecord(
        path=path,
        name=" ".join(overrides) or path.name,
        state=state if state in ("failed", "interrupted") else "unfinished",
        reason=": ".join(filter(None, (f"{state} in its sweep", error))),
        identity=str(job.get("identity") or ""),
        settings=settings,
        choices={key: value for key, equals, value in typed if equals and key not in settings},
        metrics={},
        seconds={},
        parameters=None,
        artifacts={},
        started=None,
        overrides=overrides,
    )


def missing_entries(result: Mapping[str, Any]) -> str:
    """Return the entries that a result.json lacks, in words; empty where it is complete."""
    missing = [name for name in ENTRIES if name not in result]
    return f"result.json has no {', '.join(missing)}" if missing else ""


def state_of(status: Mapping[str, Any], *, held: bool) -> tuple[str, str]:
    """Return state and reason of a run without a result.

    Args:
        status: its status.json; empty where there is none.
        held: whether a process holds the lock of its directory.
    """
    if not status:
        return "unfinished", "neither status.json nor result.json: it never began"
    state = status.get("state")
    if state in ("running", "starting"):
        return progress(status, held=held)
    if state in ("failed", "interrupted"):
        return state, first_line(status.get("error")) + stage(status)
    if state == DONE:
        return "damaged", "status.json says done, but there is no result.json"
    return "older layout", f"status.json knows no state {state!r}"


def progress(status: Mapping[str, Any], *, held: bool) -> tuple[str, str]:
    """Return "running" or "died": status.json of a killed process says running for ever."""
    host = status.get("host")
    place = f" on {host}" if host not in (None, socket.gethostname()) else ""
    process = f"process {status.get('pid', '(unknown)')}{place}"
    if held:
        return "running", f"{process}{since(status.get('started'))}{stage(status)}"
    return "died", f"{process} is gone{stage(status)}"


def stage(status: Mapping[str, Any]) -> str:
    """Return the stage of the run, as the end of a sentence."""
    return f", in stage {status['stage']}" if status.get("stage") else ""


def since(started: Any) -> str:
    """Return the start of the run, as part of a sentence."""
    if not isinstance(started, (int, float)):
        return ""
    try:
        return time.strftime(" since %Y-%m-%d %H:%M", time.localtime(started))
    except (ValueError, OverflowError, OSError):  # no moment that a calendar has
        return ""


def first_line(error: Any, nothing: str = "no reason recorded") -> str:
    """Return the first line of an error, cut to a readable length."""
    text = (str(error or "").strip().splitlines() or [nothing])[0]
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
