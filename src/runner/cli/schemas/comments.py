"""What the comments of a YAML file say of its keys."""

import re

KEY = re.compile(r"^(\s*)([\w-]+):(?:\s(.*))?$")
TRAILING = re.compile(r"(?:^|\s)#\s*(.*)$")


def comments(text: str) -> dict[str, str]:
    """Return by dotted key the comment behind a key, or those above it; the file's header is no key's."""
    found: dict[str, str] = {}
    above: list[str] = []
    place: list[tuple[int, str]] = []
    header = True
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            if not header:
                above.append(line.strip().lstrip("#").strip())
            continue
        header = False
        if match := KEY.match(line):
            indent, key, rest = len(match[1]), match[2], match[3] or ""
            place = [each for each in place if each[0] < indent] + [(indent, key)]
            behind = TRAILING.search(rest)
            if words := (behind[1] if behind else " ".join(above)):
                found[".".join(name for _, name in place)] = words
        above = []
    return found
