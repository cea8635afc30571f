"""The page for browsers: drop a picture, fill in a row, write a text, and see the answer; it asks this server alone."""

from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from runner.files.html import embedded, policy

FOLDER = Path(__file__).parent / "page"


def page(models: list[dict[str, Any]]) -> tuple[str, str]:
    """Return the page over these models (see `app.described`), and its content security policy."""
    style, script = read("page.css"), read("page.js")
    text = Template(read("page.html")).substitute(style=style, script=script, data=embedded(models))
    return text, policy(style, script, "connect-src 'self'", "img-src blob: data:", "form-action 'none'")


@cache
def read(name: str) -> str:
    """Return the text of a file of the page."""
    return (FOLDER / name).read_text(encoding="utf-8")
