"""Which file of a run is served: the one asked for, or the fastest that was measured; and what is known of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.compression.files.sessions import SESSIONS
from runner.config.recorded import recorded_config
from runner.errors import RunnerError, did_you_mean
from runner.files import sha256
from runner.serving.description import Description, read_plain
from runner.serving.pool import PLAIN, Served
from runner.tracking import layout
from runner.tracking.environment import cpu_model
from runner.tracking.result import ArtifactFile, RunResult, read_entries
from runner.tracking.run_directory import RunDirectory, owner

# The format that stands for a run's best weights, and the module that serves what needs torch: it isn't imported here.
WEIGHTS, MODULE = "weights", "runner.job.served"
# Where nothing was measured: what starts soonest and needs least.
PREFERRED = ("onnx", "openvino", "aot", "executorch", "program", "packed")
EXPORT = "python -m runner checkpoint={run} stages=[export,benchmark] export.formats=[onnx]"
# What an export says of each file.
FILE = {"alone", "batch", "outputs"}
# Figures that no one who asks a network cares for.
SHOWN_METRICS = 3


@dataclass(frozen=True)
class Candidate:
    """A file that could be served: its name among the artifacts, and milliseconds as measured at the smallest batch."""

    name: str
    artifact: ArtifactFile
    milliseconds: float | None = None


def chosen(place: Path, *, name: str | None = None, form: str | None = None, trust: bool = False) -> Served:
    """Return what is served of a run directory, or of a file among its artifacts.

    Args:
        name: in addresses; the run's by default.
        form: the name of a file format, or `weights` for the best weights in PyTorch.
        trust: load a file although its run's result.json doesn't hold its hash.

    Raises:
        RunnerError: there is nothing to serve, or not in this format, or it is not what the run wrote.
    """
    record = RunDirectory(place) if place.is_dir() else owner(place, "which say how inputs are read")
    if not (record.path / layout.CONFIG).is_file():
        raise RunnerError(f"{place}: no run directory (it holds no {layout.CONFIG}).")
    result = RunResult.load(record.path / layout.RESULT)
    title = name or result.name
    if form == WEIGHTS:
        return with_weights(record, result, title)
    if place.is_file():
        return of_file(place, record, result, title, trust=trust)
    candidates = ranked(record, result)
    if form is not None:
        candidates = [each for each in candidates if each.artifact.format == form]
        if not candidates:
            raise absent(record, result, form)
    if not candidates:
        raise RunnerError(
            f"{record.path}: holds no exported file. Export one: {EXPORT.format(run=record.path)}; or serve its best "
            f"weights with PyTorch: --format {WEIGHTS}."
        )
    best = candidates[0]
    return described(record, result, best, title, why(best, candidates, record), trust=trust)


def packaged_run(place: Path, name: str | None, form: str | None) -> tuple[Served, RunResult, dict[str, Any]]:
    """Return what is packaged of a run (the fastest file that needs no torch), its result and its environment."""
    record = RunDirectory(place) if place.is_dir() else owner(place, "which say how inputs are read")
    result = RunResult.load(record.path / layout.RESULT)
    if form is None and place.is_dir():
        light = [each.artifact.format for each in ranked(record, result) if each.artifact.format in SESSIONS]
        form = light[0] if light else None
    return chosen(place, name=name, form=form), result, read_entries_of(record)


def absent(record: RunDirectory, result: RunResult, form: str) -> RunnerError:
    """Return the error for a format that the run has no file of."""
    there = sorted({each.format for each in result.artifacts.values() if each.format})
    hint = did_you_mean(form, [*there, WEIGHTS])
    listed = ", ".join(there) or "none"
    return RunnerError(f"{record.path}: holds no file of the format {form}.{hint} There are: {listed}, {WEIGHTS}.")


def ranked(record: RunDirectory, result: RunResult) -> list[Candidate]:
    """Return the files that can be served, the best first."""
    told = serving_values(record)["files"] if (record.path / layout.ARTIFACTS / layout.SERVING).is_file() else {}
    found = [
        Candidate(name, artifact, latency(result, name))
        for name, artifact in result.artifacts.items()
        if name in told and (record.path / artifact.path).is_file()
    ]
    places = {form: place for place, form in enumerate(PREFERRED)}
    last = len(PREFERRED)

    def key(each: Candidate) -> tuple[bool, float, int]:
        return each.milliseconds is None, each.milliseconds or 0.0, places.get(each.artifact.format, last)

    return sorted(found, key=key)


def latency(result: RunResult, name: str) -> float | None:
    """Return the milliseconds of an artifact at the smallest batch that was measured."""
    start = f"benchmark/{name}/latency_ms/batch_"
    batches = {key: key.removeprefix(start) for key in result.metrics if key.startswith(start)}
    found = {int(text): result.metrics[key] for key, text in batches.items() if text.isdecimal() and len(text) < 10}
    return found[min(found)] if found else None


def why(best: Candidate, candidates: list[Candidate], record: RunDirectory) -> str:
    """Return why a file is served, in words."""
    if best.milliseconds is None:
        return "which the run has not measured"
    cpu = read_entries_of(record).get("cpu", {}).get("model")
    where = "on this machine" if cpu == cpu_model() else f"on another machine ({cpu})"
    measured = sum(each.milliseconds is not None for each in candidates)
    among = f", the fastest of {measured}" if measured > 1 else ""
    return f"{best.milliseconds:.3g} ms at batch 1{among} as the run measured {where}"


def read_entries_of(record: RunDirectory) -> dict[str, Any]:
    """Return the environment of a run; nothing where it is missing or damaged."""
    return read_entries(record.path / layout.ENVIRONMENT)


def of_file(place: Path, record: RunDirectory, result: RunResult, name: str, *, trust: bool) -> Served:
    """Return what is served of one file."""
    relative = str(place.resolve().relative_to(record.path))
    for key, artifact in result.artifacts.items():
        if artifact.path == relative:
            about = "as it was asked for"
            return described(record, result, Candidate(key, artifact), name, about, trust=trust)
    raise RunnerError(
        f"{place}: is not among the artifacts of {record.path / layout.RESULT}, so nothing is known of it."
    )


def described(
    record: RunDirectory, result: RunResult, chosen: Candidate, name: str, about: str, *, trust: bool
) -> Served:
    """Return the description of a file, and the module that can load it.

    Raises:
        RunnerError: it is not what the run wrote, or was written before files could be served.
    """
    path = record.path / chosen.artifact.path
    values = serving_values(record)
    told = values["files"].get(chosen.name)
    if told is None:
        raise RunnerError(
            f"{path}: nothing is said of how it is served. Export it again: {EXPORT.format(run=record.path)}"
        )
    written, found = chosen.artifact.sha256, sha256(path)
    if found != written and not trust:
        raise RunnerError(
            f"{path}: is not the file that its run wrote (its SHA-256 is not that of {layout.RESULT}). Export it "
            "again, or add --trust where you know who wrote it."
        )
    plain = values["intake"] is not None and values["answers"] is not None and chosen.artifact.format in SESSIONS
    description = {key: value for key, value in values.items() if key not in ("files", "check")} | {
        "name": name,
        "format": chosen.artifact.format,
        "network": chosen.artifact.network,
        "file": str(path),
        "sha256": found,
        "metrics": shown_metrics(result, chosen.artifact.network),
        "batch": told["batch"],
        "alone": told["alone"],
        "check": {"inputs": values["check"], "outputs": told["outputs"]},
        "about": about,
    }
    where = str(record.path / layout.ARTIFACTS / layout.SERVING)
    return Served(Description.from_plain(description, where), PLAIN if plain else MODULE)


def serving_values(record: RunDirectory) -> dict[str, Any]:
    """Return what the export wrote for serving; raises RunnerError where there is nothing, or it is damaged."""
    path = record.path / layout.ARTIFACTS / layout.SERVING
    if not path.is_file():
        raise RunnerError(
            f"{record.path}: its files were exported before files could be served. Export them again: "
            f"{EXPORT.format(run=record.path)}"
        )
    values = read_plain(path)
    if lacking := {"files", "check", "intake", "answers"} - values.keys():
        raise RunnerError(f"{path}: damaged: it lacks {', '.join(sorted(lacking))}. Export it again.")
    files = values["files"]
    listed = files.values() if isinstance(files, dict) else [None]
    if not all(isinstance(each, dict) and each.keys() >= FILE for each in listed):
        raise RunnerError(f"{path}: damaged: files must say {', '.join(sorted(FILE))} of each. Export it again.")
    return values


def with_weights(record: RunDirectory, result: RunResult, name: str) -> Served:
    """Return what is served of a run's best weights."""
    with recorded_config(record) as config:
        task, kind = config.task.name, config.data.kind
    description = Description(
        name=name,
        task=str(task),
        takes=str(kind),
        format=WEIGHTS,
        network="float",
        file=str(record.path),
        inputs={},
        outputs={},
        metrics=shown_metrics(result, "float"),
        about="the best weights in PyTorch",
    )
    return Served(description, MODULE)


def shown_metrics(result: RunResult, network: str) -> dict[str, float]:
    """Return what a network reached on the test split, without its loss."""
    phases = {"float": ("test",), "pruned": ("pruned",), "factorized": ("factorized",)}.get(
        network, ("compressed", "test")
    )
    for phase in phases:
        found = {
            key: value for key, value in result.metrics.items() if key.startswith(f"{phase}/") and value is not None
        }
        kept = {key: value for key, value in found.items() if key.partition("/")[2] != "loss"}
        if kept:
            return dict(list(kept.items())[:SHOWN_METRICS])
    return {}
