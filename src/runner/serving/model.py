"""Model: a loaded network with what reads its inputs and says its outputs; answers whole batches of requests."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner.errors import RunnerError
from runner.files import finite
from runner.measure.structure import restore, tensors_of
from runner.serving import tensors
from runner.serving.description import LEAST_SQNR_DB, Description, agreement, unpacked
from runner.serving.limits import Limits
from runner.serving.reader import Reader, Taken, Upload

Array = np.ndarray[Any, Any]
Run = Callable[[Sequence[Array]], list[Array]]
Say = Callable[[Any], list[list[dict[str, Any]]]]
JSON, BINARY = "application/json", "application/octet-stream"


@dataclass(frozen=True)
class Request:
    """What one client asks.

    Attributes:
        kind: `predict`, or `infer` by the Open Inference Protocol.
        type: the media type of a body that is JSON or a file; empty where there are `files`.
        names: of the files, with their media types.
        header: of `infer`, the length of the JSON before raw tensors.
        parts: the body, or the files.
    """

    kind: str
    type: str = ""
    names: Sequence[tuple[str, str]] = ()
    header: int | None = None
    parts: Sequence[bytes] = ()


@dataclass(frozen=True)
class Reply:
    """An answer: the status of HTTP, media type, body, and of raw tensors the length of the JSON before them."""

    status: int
    body: bytes
    type: str = JSON
    header: int | None = None


@dataclass(frozen=True)
class Job:
    """A request that is understood: its inputs, and what makes the answer of the outputs."""

    arrays: list[Array]
    reply: Callable[[list[Array]], Reply]


class TensorModel:
    """Answers requests of the Open Inference Protocol: tensors to tensors.

    Args:
        run: the arrays of a batch to those of the outputs.
    """

    def __init__(self, description: Description, run: Run, limits: Limits) -> None:
        self.description, self.run, self.limits = description, run, limits
        self.inputs = tensors.metadata(tensors_of(description.inputs, "inputs"), None)
        self.outputs = tensors.metadata(tensors_of(description.outputs, "outputs"), None)

    def warm_up(self) -> float | None:
        """Answer what the file was checked with when it was written; return the agreement in dB, None without a check.

        Raises:
            RunnerError: it answers differently.
        """
        check = self.description.check
        if check is None:
            return None
        inputs, wanted = ([unpacked(each) for each in side] for side in (check.inputs, check.outputs))
        got = self._all(inputs)
        found = agreement(wanted, got)
        if found < LEAST_SQNR_DB:
            raise RunnerError(
                f"{self.description.file}: answers differently from when it was written ({found:.1f} dB). Export it "
                "on this machine."
            )
        self.looked_at(got)
        return found

    def looked_at(self, outputs: list[Array]) -> None:
        """Take note of the check's outputs (n, …)."""

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Return the answer to each request; those that can be understood are answered in one batch."""
        replies: list[Reply | None] = []
        jobs: list[Job] = []
        places: list[int] = []
        for place, request in enumerate(requests):
            try:
                jobs.append(self._understood(request))
                places.append(place)
                replies.append(None)
            except RunnerError as error:
                replies.append(refusal(400, str(error)))
        for place, reply in zip(places, self._answered(jobs), strict=True):
            replies[place] = reply
        return [each for each in replies if each is not None]

    def _understood(self, request: Request) -> Job:
        asked, arrays = tensors.parsed(request.parts[0], request.header, self.inputs)
        self._refuse_many(len(arrays[0]))
        return Job(arrays, lambda outputs: self._inferred(asked, outputs))

    def _refuse_many(self, count: int) -> None:
        if count > self.limits.samples:
            raise RunnerError(f"{count:,} samples; one request may hold {self.limits.samples:,}.")

    def _answered(self, jobs: Sequence[Job]) -> list[Reply]:
        """Return the replies; jobs whose inputs are of one shape run together, unless a sample must be alone."""
        groups: dict[Any, list[int]] = {}
        for place, job in enumerate(jobs):
            key = place if self.description.alone else tuple(each.shape[1:] for each in job.arrays)
            groups.setdefault(key, []).append(place)
        replies: dict[int, Reply] = {}
        for group in groups.values():
            parts = [jobs[place].arrays for place in group]
            together = [np.concatenate(each) if len(group) > 1 else each[0] for each in zip(*parts, strict=True)]
            outputs, start = self._all(together), 0
            for place, part in zip(group, parts, strict=True):
                stop = start + len(part[0])
                replies[place] = jobs[place].reply([each[start:stop] for each in outputs])
                start = stop
        return [replies[place] for place in range(len(jobs))]

    def _all(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the outputs for any number of samples, in batches that the file takes."""
        count, size = len(arrays[0]), 1 if self.description.alone else self.description.batch or self.limits.max_batch
        if count <= size and self.description.batch is None:
            return self.run(arrays)
        starts = range(0, count, size)
        parts = [
            self.run([padded(each[start : start + size], self.description.batch) for each in arrays])
            for start in starts
        ]
        return [np.concatenate(each)[:count] for each in zip(*parts, strict=True)]

    def _inferred(self, asked: dict[str, Any], outputs: list[Array]) -> Reply:
        try:
            body, header = tensors.answer(asked, self.description.name, outputs, self.outputs)
        except RunnerError as error:
            return refusal(400, str(error))
        return Reply(200, body, JSON if header is None else BINARY, header)


class Model(TensorModel):
    """Answers requests in the user's terms as well.

    Args:
        run: the arrays of a batch to those of the outputs.
        say: what is said of the outputs, in their structure.
    """

    def __init__(self, description: Description, run: Run, reader: Reader, say: Say, limits: Limits) -> None:
        super().__init__(description, run, limits)
        self.reader, self.say = reader, say

    def looked_at(self, outputs: list[Array]) -> None:
        """Try whether something can be said of the check's outputs."""
        self.say(restore(self.description.outputs, outputs))

    def _understood(self, request: Request) -> Job:
        if request.kind == "infer":
            return super()._understood(request)
        uploads = uploads_of(request)
        taken = self.reader.files(uploads) if uploads else self.reader.value(tensors.json_object(request.parts[0]))
        self._refuse_many(len(taken.names))
        return Job(taken.arrays, lambda outputs: self._predicted(taken, outputs))

    def _predicted(self, taken: Taken, outputs: list[Array]) -> Reply:
        said = self.say(restore(self.description.outputs, outputs))
        rows = (taken.as_given(place, found) for place, found in enumerate(said))
        named = zip(taken.names, rows, strict=True)
        return answer_of(self.description, [prediction(self.description, *each) for each in named])


def uploads_of(request: Request) -> list[Upload]:
    """Return the files of a request; none where it holds a value of JSON."""
    if not request.names:
        return []
    return [Upload(*named, part) for named, part in zip(request.names, request.parts, strict=True)]


def prediction(description: Description, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what is answered for one input: its row, or the objects found in it."""
    return {"input": name, **({"objects": rows} if description.takes == "detection" else rows[0])}


def answer_of(description: Description, predictions: list[dict[str, Any]]) -> Reply:
    """Return the answer of a model to a request."""
    content = {"model": description.name, "predictions": predictions}
    return Reply(200, json.dumps(finite(content), separators=(",", ":"), ensure_ascii=False).encode())


def padded(part: Array, size: int | None) -> Array:
    """Return a batch of the one size that a file takes, its last sample repeated; as it is where any will do."""
    missing = 0 if size is None else size - len(part)
    return np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part


def refusal(status: int, reason: str) -> Reply:
    """Return an answer that says why there is none; both protocols call it `error`."""
    return Reply(status, json.dumps({"error": reason}, ensure_ascii=False).encode())
