"""A report as one HTML file that opens from disk and asks no network for anything."""

import base64
import hashlib
import json
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from runner.report.cells import title
from runner.report.page_data import page_data
from runner.report.report import Report

PAGE = Path(__file__).parent / "page"
# In the order in which they need each other; together they are one script.
SCRIPTS = (
    *("numbers", "drawing", "data", "filter", "columns", "table", "panel", "curves"),
    *("costs", "pareto", "coordinates", "parallel", "differences", "page"),
)


def page(report: Report) -> str:
    """Return the whole page: markup, style, script and the report's data in one text below 5 MB."""
    style = read("page.css")
    script = "(() => {\n" + "\n".join(read(f"{name}.js") for name in SCRIPTS) + "})();\n"
    return Template(read("page.html")).substitute(
        title=escape(title(report)),
        policy=policy(style, script),
        style=style,
        script=script,
        data=embedded(page_data(report)),
    )


def read(name: str) -> str:
    """Return the text of a file of the page."""
    return (PAGE / name).read_text(encoding="utf-8")


def policy(style: str, script: str) -> str:
    """Return a content security policy that allows this style, this script and no address."""
    return f"default-src 'none'; style-src {digest(style)}; script-src {digest(script)}; base-uri 'none'"


def digest(text: str) -> str:
    """Return the hash of an inline element as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(data: dict[str, Any]) -> str:
    """Return JSON that can't end the element it stands in, whatever a run is called."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
