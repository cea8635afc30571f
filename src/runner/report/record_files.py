"""Files of a record, read without trust: a missing, damaged or strange one is never an exception."""

import math
from pathlib import Path
from typing import Any, ClassVar

import yaml

from runner.files.reading import BYTES, NODES, TooLargeError, check_yaml, parse_json, read_bytes


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
