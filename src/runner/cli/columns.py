"""Two columns of text: a line a row where the output goes to another tool, wrapped on a terminal."""

import shutil
import sys
import textwrap
from collections.abc import Sequence

from runner.files.text import one_line, visible

# The second column is at least so wide, however narrow the terminal.
MINIMUM = 20


def say(text: str) -> None:
    """Print a text that may hold names and messages of others; it cannot steer the terminal."""
    print(visible(text))


def print_columns(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and what there is to say of each."""
    rows = [(one_line(name), visible(text)) for name, text in rows]
    indent = max(len(name) for name, _ in rows) + 2
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for name, text in rows:
        wrapped = textwrap.wrap(text, max(columns - indent, MINIMUM)) or [""]
        print(f"{name:<{indent}}{wrapped[0]}".rstrip())
        print("".join(f"{'':{indent}}{line}\n" for line in wrapped[1:]), end="")
