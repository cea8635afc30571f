"""A worker process: loads one network, answers the check it was written with, then batches until the server goes."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.compression.files.sessions import SESSIONS
from runner.errors import RunnerError
from runner.files import sha256
from runner.serving import frames
from runner.serving.description import Description
from runner.serving.limits import Limits
from runner.serving.model import Model, Request, refusal
from runner.serving.readers import reader_from
from runner.tasks.answers import answers_from

# What makes a model of a description, the number of threads, and the limits.
Load = Callable[[Description, int, Limits], Model]


def load(description: Description, threads: int, limits: Limits) -> Model:
    """Return a model that needs no torch.

    Raises:
        RunnerError: it can't be had so, or is not what it was.
    """
    if description.intake is None or description.answers is None or description.format not in SESSIONS:
        raise RunnerError(f"{description.file}: what it takes or says is not told in plain values.")
    refuse_changed(description)
    session = SESSIONS[description.format](Path(description.file), threads)
    reader = reader_from(description.intake, limits)
    return Model(description, session.run, reader, answers_from(description.answers), limits)


def refuse_changed(description: Description) -> None:
    """Raise RunnerError where a file is not, byte for byte, the one that is described."""
    if description.sha256 and sha256(Path(description.file)) != description.sha256:
        raise RunnerError(
            f"{description.file}: is not the file that was written (its SHA-256 differs). Export it again."
        )


def work(load: Load, descriptor: int) -> None:
    """Answer what comes from the server, until it closes its side."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the server decides, after what it waits for is answered
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as file:
        settings = frames.read(file)
        if settings is None:
            return
        model = prepared(load, settings[0], file)
        while model is not None and (message := frames.read(file)) is not None:
            head, parts = message
            replies = answered(model, requests_of(head, parts))
            heads = [[each.status, each.type, each.header] for each in replies]
            file.write(frames.written(heads, [each.body for each in replies]))
            file.flush()


def prepared(load: Load, settings: dict[str, Any], file: Any) -> Model | None:
    """Return the model, ready, and tell the server; None where it can't be had, which the server is told as well."""
    limits = Limits(**{**settings["limits"], "formats": tuple(settings["limits"]["formats"])})
    try:
        description = Description.from_plain(settings["description"], "The server's description")
        model = load(description, settings["threads"], limits)
        reader, agreement = model.reader, model.warm_up()
        told: dict[str, Any] = {"agreement": agreement, "form": reader.form, "accept": reader.accept}
        told["columns"] = reader.columns
    except Exception as error:
        file.write(frames.written({"error": str(error) if isinstance(error, RunnerError) else damage(error)}))
        file.flush()
        return None
    file.write(frames.written(told))
    file.flush()
    return model


def damage(error: Exception) -> str:
    """Return in words that a file, or what is said of it, is not what an export writes: anybody may have written it."""
    return f"It can't be served: damaged, or of another version ({type(error).__name__}: {error}). Export it again."


def answered(model: Model, requests: list[Request]) -> list[Any]:
    """Return the replies; where one request breaks what runs them all, each runs by itself."""
    try:
        return model.answer(requests)
    except Exception as error:
        if len(requests) > 1:
            return [reply for each in requests for reply in answered(model, [each])]
        print(f"{model.description.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return [refusal(500, f"The network failed on this input ({type(error).__name__}).")]


def requests_of(head: list[Any], parts: list[bytes]) -> list[Request]:
    """Return the requests of a message; each head says how many of the parts are its own."""
    found, place = [], 0
    for kind, type_, names, header, count in head:
        own = parts[place : place + count]
        found.append(Request(kind, type_, [(name, each) for name, each in names], header, own))
        place += count
    return found


def threads_of_this_process(count: int) -> dict[str, str]:
    """Return the environment of a worker: libraries take so many threads."""
    return {**os.environ, "OMP_NUM_THREADS": str(count), "OPENBLAS_NUM_THREADS": str(count)}


if __name__ == "__main__":
    work(load, int(sys.argv[1]))
