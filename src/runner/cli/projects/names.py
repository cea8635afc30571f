"""The name of a project's package: an identifier of Python's that nothing else has."""

import importlib.util
import keyword
import re
import sys
import unicodedata
from collections.abc import Collection

# Folders of the project itself.
TAKEN = ("conf", "tests", "outputs", "schema")
SUFFIX = "_project"


def package_name(text: str, choices: Collection[str]) -> str:
    """Return the name nearest to a directory's that a package can have: `My Flowers-2` becomes `my_flowers_2`.

    Args:
        text: the directory's name.
        choices: names of configurations that are there already, which the project's must not be.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"\W+", "_", plain).strip("_") or "my"
    name = f"n{name}" if name[0].isdigit() else name
    return f"{name}{SUFFIX}" if is_taken(name) or name in choices else name


def is_taken(name: str) -> bool:
    """Return whether Python or an installed package means something else by a name."""
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in TAKEN or name in sys.stdlib_module_names:
        return True
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None  # a folder that happens to lie here has no origin
