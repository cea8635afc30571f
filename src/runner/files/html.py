"""HTML pages that hold everything they need: what their scripts may do, and data that can't end its element."""

import base64
import hashlib
import json
from typing import Any


def policy(style: str, script: str, *more: str) -> str:
    """Return a content security policy that allows this style, this script and no address but what `more` says."""
    rules = [
        "default-src 'none'",
        f"style-src {digest(style)}",
        f"script-src {digest(script)}",
        "base-uri 'none'",
        *more,
    ]
    return "; ".join(rules)


def digest(text: str) -> str:
    """Return the hash of an inline element as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(data: Any) -> str:
    """Return JSON that can't end the element it stands in, whatever a run is called."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
