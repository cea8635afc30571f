"""python -m tests.zoo [--seconds N] [NAME ...]: walk what wasn't walked yet (or NAME anew) and write docs/zoo.md."""

import argparse
import importlib.metadata
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from tests.zoo import BY_NAME, PAGE, RECIPES, ROWS, SECONDS
from tests.zoo.page import keys, page

# Rows of other versions are walked anew.
VERSIONS = {name: importlib.metadata.version(name) for name in ("torch", "torchao", "torchvision", "timm")}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no network after this long")
    parser.add_argument("--page", action="store_true", help="write the page from what was walked, and walk nothing")
    parser.add_argument("names", nargs="*", metavar="NAME", help="timm/resnet10t, or a library; all that is missing")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if not _meant(name)]
    if unknown:
        print(f"{', '.join(unknown)}: there is no such network; known: {', '.join(BY_NAME)}")
        return 2
    rows = kept()
    anew = {name for name in given.names if "/" in name}
    wanted = [name for each in given.names for name in _meant(each)] if given.names else list(BY_NAME)
    ending = time.monotonic() + given.seconds
    for name in [] if given.page else wanted:
        missing = [recipe for recipe in RECIPES if name in anew or f"{name} {recipe}" not in rows]
        if time.monotonic() > ending:
            break
        for recipe, row in in_own_process(name, missing):
            rows[f"{name} {recipe}"] = row
            print(f"{name} {recipe}: {row}", flush=True)
            _write(rows)
    _write(rows)
    return 0


def _meant(name: str) -> list[str]:
    return [known for known in BY_NAME if known == name or known.startswith(f"{name}/")]


def kept() -> dict[str, dict[str, Any]]:
    """Rows walked before with these versions."""
    if not ROWS.exists():
        return {}
    content = json.loads(ROWS.read_text(encoding="utf-8"))
    rows = content["rows"] if content["versions"] == VERSIONS else {}
    return {key: row for key, row in rows.items() if key in keys()}


def _write(rows: dict[str, dict[str, Any]]) -> None:
    ordered = {key: rows[key] for key in keys() if key in rows}
    ROWS.write_text(json.dumps({"versions": VERSIONS, "rows": ordered}, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(ordered), encoding="utf-8")


def in_own_process(name: str, recipes: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk a network in processes forked for it, which may crash or take too long without ending the walk."""
    context = multiprocessing.get_context("fork")
    while recipes:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_walk, args=(name, recipes, there))
        process.start()
        there.close()
        try:
            while recipes:
                yield here.recv()
                recipes = recipes[1:]
        except EOFError:
            process.join()
            slow = process.exitcode == -signal.SIGXCPU
            row = {"outcome": "too slow here", "why": ""} if slow else {"outcome": "failed", "why": "the process died"}
            yield recipes[0], {**row, "seconds": SECONDS if slow else 0}
            recipes = recipes[1:]
        process.join()


def _walk(name: str, recipes: list[str], answer: Any) -> None:
    from tests.zoo.walk import walk

    def begin() -> None:
        """Let the system end this process when the next recipe takes too long."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))

    begin()
    for found in walk(BY_NAME[name], recipes):
        answer.send(found)
        begin()
    answer.close()
    os._exit(0)  # what compilers leave at work would be waited for


if __name__ == "__main__":
    import torch

    import tests.zoo.walk  # noqa: F401 - imported once, for all processes forked

    torch.set_num_threads(1)
    sys.exit(main(sys.argv[1:]))
