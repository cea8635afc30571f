"""The archive of a torch.export program made small: one entry for all tensors of a type, terse JSON, deflated.

torch gives each tensor an entry of its own, with a header and its path twice, and stores entries as they are. A network
of seven layers has thirty tensors, most of them a few scales, and a graph of fifty thousand characters: more than its
weights. torch.export.load reads the small archive like its own.
"""

import io
import json
import zipfile
from collections import defaultdict
from typing import Any

# Entries are named within the archive's own name.
NAME = "a"
TENSORS = ("weights", "constants")
# Bytes of an element by torch.export's number for its type; tensors of other types stay as they are.
BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 12: 1, 13: 2}
# As torch aligns tensors of their own; aten._weight_int8pack_mm crashes on codes that are not aligned.
ALIGNMENT = 64

Entries = dict[str, bytes]


def deflated(archive: io.BytesIO) -> bytes:
    """Return the same archive, small."""
    with zipfile.ZipFile(archive) as source:
        entries = {name.partition("/")[2]: source.read(name) for name in source.namelist()}
    smaller = io.BytesIO()
    with zipfile.ZipFile(smaller, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for path, content in gathered(entries).items():
            target.writestr(f"{NAME}/{path}", terse(content) if path.endswith(".json") else content)
    return smaller.getvalue()


def terse(content: bytes) -> bytes:
    """JSON without blanks."""
    return json.dumps(json.loads(content), separators=(",", ":")).encode()


def gathered(entries: Entries) -> Entries:
    """Entries of an archive with one for all tensors of a type, where torch.export would have one for each.

    torch writes tensors that share their memory so: an entry is that memory, and each tensor says where in it it
    begins.
    """
    kept = dict(entries)
    for kind in TENSORS:
        for path in [path for path in entries if path.startswith(f"data/{kind}/") and path.endswith("_config.json")]:
            description = json.loads(kept[path])
            gather(description["config"], f"data/{kind}", kept)
            kept[path] = json.dumps(description).encode()
    return kept


def gather(tensors: dict[str, Any], folder: str, entries: Entries) -> None:
    """Move the entries of `tensors`, by their names in `folder`, into one for each type, in place."""
    groups: dict[tuple[int, bool], list[str]] = defaultdict(list)
    for path, meta in {each["path_name"]: each["tensor_meta"] for each in tensors.values() if plain(each)}.items():
        if entries[f"{folder}/{path}"]:
            groups[meta["dtype"], meta["requires_grad"]].append(path)
    places: dict[str, tuple[str, int]] = {}
    for paths in groups.values():
        memory = bytearray()
        for path in paths:
            memory.extend(bytes(-len(memory) % ALIGNMENT))
            places[path] = paths[0], len(memory)
            memory.extend(entries.pop(f"{folder}/{path}"))
        entries[f"{folder}/{paths[0]}"] = bytes(memory)
    for each in tensors.values():
        if each["path_name"] in places:
            each["path_name"], begin = places[each["path_name"]]
            each["tensor_meta"]["storage_offset"]["as_int"] += begin // BYTES[each["tensor_meta"]["dtype"]]


def plain(described: dict[str, Any]) -> bool:
    """Return whether an entry holds nothing but the numbers of a tensor."""
    meta = described["tensor_meta"]
    return not described["use_pickle"] and meta is not None and meta["dtype"] in BYTES
