"""python -m tests.zoo [--seconds N] [NAME ...]: walk what wasn't walked yet (or NAME anew) and write docs/zoo.md."""

import argparse
import importlib.metadata
import json
import multiprocessing
import sys
import time
from typing import Any

from tests.zoo import BY_NAME, PAGE, ROWS, SECONDS
from tests.zoo.page import keys, page

# Rows of other versions are walked anew.
VERSIONS = {name: importlib.metadata.version(name) for name in ("torch", "torchao", "torchvision", "timm")}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no pair after this long")
    parser.add_argument("--page", action="store_true", help="write the page from what was walked, and walk nothing")
    parser.add_argument("names", nargs="*", metavar="NAME", help="timm/resnet10t, or a library; all that is missing")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if not _meant(name)]
    if unknown:
        print(f"{', '.join(unknown)}: there is no such network; known: {', '.join(BY_NAME)}")
        return 2
    rows = kept()
    anew = {key for name in given.names if "/" in name for key in _meant(name)}
    wanted = [key for name in given.names for key in _meant(name)] if given.names else keys()
    missing = [] if given.page else [key for key in wanted if key not in rows or key in anew]
    ending = time.monotonic() + given.seconds
    for key in missing:
        if time.monotonic() > ending:
            break
        rows[key] = in_own_process(key)
        print(f"{key}: {rows[key]}", flush=True)
        _write(rows)
    _write(rows)
    return 0


def _meant(name: str) -> list[str]:
    return [key for key in keys() if key.startswith((f"{name} ", f"{name}/"))]


def kept() -> dict[str, dict[str, Any]]:
    """Rows walked before with these versions; those that failed are walked again."""
    if not ROWS.exists():
        return {}
    content = json.loads(ROWS.read_text(encoding="utf-8"))
    rows = content["rows"] if content["versions"] == VERSIONS else {}
    return {key: row for key, row in rows.items() if key in keys()}


def _write(rows: dict[str, dict[str, Any]]) -> None:
    ordered = {key: rows[key] for key in keys() if key in rows}
    ROWS.write_text(json.dumps({"versions": VERSIONS, "rows": ordered}, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(ordered), encoding="utf-8")


def in_own_process(key: str) -> dict[str, Any]:
    """Walk one pair in a process forked for it, which may crash or take too long without ending the walk."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_walk, args=(key, there))
    began = time.monotonic()
    process.start()
    there.close()
    try:
        row = here.recv() if here.poll(SECONDS) else {"outcome": "failed", "why": f"took more than {SECONDS} s"}
    except EOFError:
        row = {"outcome": "failed", "why": "the process died"}
    process.kill()
    process.join()
    return {"seconds": round(time.monotonic() - began), **row}


def _walk(key: str, answer: Any) -> None:
    from tests.zoo.pair import walk

    name, _, recipe = key.partition(" ")
    answer.send(walk(BY_NAME[name], recipe))


if __name__ == "__main__":
    import torch

    import tests.zoo.pair  # noqa: F401 - imported once, for all processes forked

    torch.set_num_threads(1)
    sys.exit(main(sys.argv[1:]))
