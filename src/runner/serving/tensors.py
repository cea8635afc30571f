"""Tensors of the Open Inference Protocol: JSON, and raw bytes behind JSON (the binary tensor data extension).

Source: the protocol's version 2 as KServe publishes it (inference_rest), and its extension_binary_data.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from runner.errors import RunnerError

Array = np.ndarray[Any, Any]
# The protocol's names by NumPy's.
DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
# Where in a request's heads the length of its JSON stands.
HEADER = "inference-header-content-length"


def metadata(tensors: Sequence[tuple[str, dict[str, Any]]], batch: int | None) -> list[dict[str, Any]]:
    """Return names, types and shapes as the protocol tells them; -1 is any length."""
    first = -1 if batch is None else batch
    return [
        {
            "name": name,
            "datatype": DATATYPES.get(each["dtype"], each["dtype"].upper()),
            "shape": [first, *(-1 if length is None else length for length in each["shape"])],
        }
        for name, each in tensors
    ]


def parsed(body: bytes, header: int | None, expected: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Array]]:
    """Return a request's JSON and its tensors, in the order of `expected`.

    Args:
        body: of the request.
        header: the length of the JSON at its beginning, where raw tensors follow.
        expected: see `metadata`; batches may have any length.

    Raises:
        RunnerError: it is no such request, or a tensor is missing, superfluous, or of another type or shape.
    """
    if header is not None and not 0 <= header <= len(body):
        raise RunnerError(f"{HEADER}: {header}, and the body has {len(body)} bytes.")
    text, rest = (body, b"") if header is None else (body[:header], body[header:])
    request = json_object(text)
    given = request.get("inputs")
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise RunnerError(f'"inputs" must be a list of tensors: {told(expected)}.')
    found: dict[str, Array] = {}
    wanted = {each["name"]: each for each in expected}
    for tensor in given:
        name = str(tensor.get("name"))
        if name not in wanted or name in found:
            raise RunnerError(f"inputs: {'twice ' * (name in found)}{name}. Expected {told(expected)}.")
        size = (tensor.get("parameters") or {}).get("binary_data_size")
        raw, rest = taken(rest, size, name)
        found[name] = array(tensor, wanted[name], raw)
    if missing := [each for each in wanted if each not in found]:
        raise RunnerError(f"inputs: {', '.join(missing)} is missing. Expected {told(expected)}.")
    if rest:
        raise RunnerError(f"The body has {len(rest)} bytes more than its tensors.")
    lengths = {len(each) for each in found.values()}
    if len(lengths) > 1:
        raise RunnerError(f"inputs: of different batches, {sorted(lengths)} samples.")
    return request, [found[each["name"]] for each in expected]


def json_object(text: bytes) -> dict[str, Any]:
    """Return what a body says; raises RunnerError where it is no JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RunnerError(f"The body is no JSON ({error}).") from None
    if not isinstance(value, dict):
        raise RunnerError("The body must be a JSON object.")
    return value


def taken(rest: bytes, size: Any, name: str) -> tuple[bytes | None, bytes]:
    """Return the raw bytes of a tensor, None where it is in the JSON, and what comes behind them."""
    if size is None:
        return None, rest
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest):
        raise RunnerError(f"{name}: binary_data_size {size}, and {len(rest)} bytes are there.")
    return rest[:size], rest[size:]


def array(tensor: dict[str, Any], wanted: dict[str, Any], raw: bytes | None) -> Array:
    """Return a tensor of a request; raises RunnerError where it isn't what is wanted."""
    name, datatype = wanted["name"], tensor.get("datatype")
    shape: Any = tensor.get("shape")
    fits = isinstance(shape, list) and len(shape) == len(wanted["shape"]) and all(type(each) is int for each in shape)
    if datatype != wanted["datatype"] or not fits or not matches(shape, wanted["shape"]):
        raise RunnerError(f"{name}: {datatype} {shape}. Expected {told([wanted])}.")
    dtype = np.dtype(next(known for known, label in DATATYPES.items() if label == wanted["datatype"]))
    count = int(np.prod(shape, dtype=np.float64))
    try:
        if raw is None:
            found = np.asarray(tensor.get("data"), dtype=dtype)
        elif len(raw) != count * dtype.itemsize:
            raise ValueError(f"{len(raw)} bytes")
        else:
            found = np.frombuffer(raw, dtype=dtype.newbyteorder("<"))
        if found.size != count:
            raise ValueError(f"{found.size} values")
    except (ValueError, TypeError, OverflowError) as error:
        raise RunnerError(f"{name}: {error}, for {datatype} {shape}.") from None
    return found.reshape(shape).astype(dtype, copy=False)


def matches(shape: Any, wanted: Sequence[int]) -> bool:
    """Return whether lengths are those wanted, the batch aside, which must be one sample at least."""
    rest = zip(shape[1:], wanted[1:], strict=True)
    return shape[0] >= 1 and all(each >= 0 if length == -1 else each == length for each, length in rest)


def told(expected: Sequence[dict[str, Any]]) -> str:
    """Return tensors in words."""
    return ", ".join(f"{each['name']} {each['datatype']} {[-1, *each['shape'][1:]]}" for each in expected)


def answer(
    request: dict[str, Any], name: str, outputs: Sequence[Array], told_of: Sequence[dict[str, Any]]
) -> tuple[bytes, int | None]:
    """Return the body of an answer and, where raw tensors follow, the length of its JSON.

    Raises:
        RunnerError: an output is asked for that there isn't.
    """
    everything = bool((request.get("parameters") or {}).get("binary_data_output"))
    known = {each["name"]: (each, values) for each, values in zip(told_of, outputs, strict=True)}
    asked = request.get("outputs") or [{"name": each} for each in known]
    if not isinstance(asked, list) or not all(isinstance(each, dict) for each in asked):
        raise RunnerError('"outputs" must be a list of objects with a "name".')
    entries, raw = [], []
    for each in asked:
        if each.get("name") not in known:
            raise RunnerError(f"outputs: there is no {each.get('name')}. There are {', '.join(known)}.")
        described, values = known[each["name"]]
        entry: dict[str, Any] = {**described, "shape": list(values.shape)}
        if (each.get("parameters") or {}).get("binary_data", everything):
            raw.append(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes())
            entry["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            entry["data"] = finite(values.reshape(-1).tolist())
        entries.append(entry)
    head = {"model_name": name, "model_version": "1", "outputs": entries}
    if isinstance(request.get("id"), str):
        head["id"] = request["id"]
    text = json.dumps(head, separators=(",", ":")).encode()
    return b"".join([text, *raw]), len(text) if raw else None


def finite(values: list[Any]) -> list[Any]:
    """Return numbers with null for those that JSON has no word for."""
    return [each if each - each == 0 else None for each in values] if values and type(values[0]) is float else values
