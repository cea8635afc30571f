"""Bodies: what a client sends, read within limits of bytes, files and time, as the request of a model."""

import asyncio
from collections.abc import Mapping

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Incoming

from runner.serving.limits import Limits, RefusedError
from runner.serving.model import Request
from runner.serving.tensors import HEADER

JSON = "application/json"
# Seconds in which a whole body must have arrived.
SECONDS = 20.0


async def prediction(incoming: Incoming, limits: Limits) -> Request:
    """Return a request for `predict`: files of a form, one file as the body, or JSON.

    Raises:
        RefusedError: too large, too slow, too many files, broken off, or nothing at all.
    """
    type_ = media_type(incoming.headers)
    if type_ == "multipart/form-data":
        return await uploads(incoming, limits)
    body = await whole(incoming)
    if not body:
        raise RefusedError(400, "The request is empty: send files (multipart/form-data), one file, or JSON.")
    if type_ in ("", JSON, "application/x-www-form-urlencoded") or type_.endswith("+json"):  # curl -d says the last
        return Request("predict", JSON, parts=[body])
    return Request("predict", type_, names=[(name_for(type_), type_)], parts=[body])


async def inference(incoming: Incoming) -> Request:
    """Return a request by the Open Inference Protocol; raises RefusedError as `prediction`."""
    length = incoming.headers.get(HEADER)
    if length is not None and not length.isdecimal():
        raise RefusedError(400, f"{HEADER}: {length!r} is no length.")
    return Request("infer", header=None if length is None else int(length), parts=[await whole(incoming)])


async def whole(incoming: Incoming) -> bytes:
    """Return the body."""
    try:
        async with asyncio.timeout(SECONDS):
            return await incoming.body()
    except TimeoutError:
        raise RefusedError(408, f"The request did not arrive within {SECONDS:g} s.") from None
    except ClientDisconnect:
        raise RefusedError(400, "The request was broken off.") from None


async def uploads(incoming: Incoming, limits: Limits) -> Request:
    """Return the files of a form."""
    try:
        async with asyncio.timeout(SECONDS), incoming.form(max_files=limits.files, max_fields=limits.files) as form:
            files = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
            names = [(each.filename or "file", each.content_type or "") for each in files]
            parts = [await each.read() for each in files]
    except TimeoutError:
        raise RefusedError(408, f"The request did not arrive within {SECONDS:g} s.") from None
    except ClientDisconnect:
        raise RefusedError(400, "The request was broken off.") from None
    except HTTPException as error:
        if error.status_code == 413:
            raise
        raise RefusedError(400, f"The form can't be read: {error.detail}.") from None
    if not files:
        raise RefusedError(400, "The form holds no file: curl -F file=@four.png …")
    return Request("predict", names=names, parts=parts)


def media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of a request, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def name_for(type_: str) -> str:
    """Return a name for a file that was sent without one."""
    ending = {"text/csv": ".csv", "text/plain": ".txt"}.get(type_, f".{type_.rpartition('/')[2]}")
    return f"body{ending}"
