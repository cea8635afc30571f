"""A report as one HTML file that opens from disk and asks no network for anything."""

from html import escape
from pathlib import Path
from string import Template

from runner.files.html import embedded, policy
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
