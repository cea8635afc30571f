"""A configuration by dotted keys."""

from collections.abc import Mapping
from typing import Any


def flatten(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration by dotted keys (`{"optimizer.lr": 0.003}`); lists stay whole, empty sections vanish."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
