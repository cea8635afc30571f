"""Text that somebody else chose (names, settings, keys, paths), escaped for where it is shown: it can only be read.

HTML pages take it as data; see `report.html`.
"""

import re
from typing import Any

# Control characters but tab and line break, what reorders or hides its neighbours (bidirectional marks, characters
# without width, tags), line breaks of Unicode, and halves of surrogate pairs, which no encoding has. The joiners that
# scripts and emoji need stay.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
# What a spreadsheet takes for a formula, in either width; a number is none.
FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|nan)", re.IGNORECASE | re.ASCII)
# Punctuation that means something within a line of Markdown: code, emphasis, cells, formulas, links, HTML.
MARKS = re.compile(r"[\\`*|~$<]|\](?=[(\[:])|\[(?=\^)|(?<![^\W_])_|_(?![^\W_])|&(?=[#\w])")
# What GitHub's Markdown makes links of without being asked: addresses, people, issues.
ADDRESSES = re.compile(r"(?<=\w)(:)(?=//)|(?<=www)(\.)|(@)|(#)(?=\d)", re.IGNORECASE)


def visible(text: str) -> str:
    r"""Return a text for a terminal: what would steer it, hide or reorder is written out, `\x1b`."""
    return UNSEEN.sub(lambda found: written_out(found.group()), text)


def written_out(character: str) -> str:
    r"""Return `\x1b`, `\u202e` or `\U000e0041`."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """Return a text as one visible line; line breaks and tabs become blanks."""
    return visible(" ".join(re.split(r"[\r\n\t\u2028\u2029\x85\x0b\x0c]+", text)))


def markdown(text: str) -> str:
    """Return a text that Markdown shows as it is, within a line or a cell: no markup, no HTML, no links."""
    return ADDRESSES.sub(lambda each: f"\\{each.group()}", MARKS.sub(escaped_mark, one_line(text)))


def escaped_mark(found: re.Match[str]) -> str:
    """Return an entity for what begins HTML, and a backslash before everything else."""
    entities = {"<": "&lt;", "&": "&amp;"}
    return entities.get(found.group(), f"\\{found.group()}")


def markdown_code(text: str) -> str:
    """Return a text as code in a line of Markdown, whatever backticks it holds."""
    line = one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def cell(value: Any) -> Any:
    """Return a value for a CSV file: text that a spreadsheet would compute begins with an apostrophe."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if FORMULA.match(value) and not NUMBER.fullmatch(value) else text
