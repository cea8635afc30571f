"""python -m tests.faults.server: a process that has imported everything, and forks one that runs a command line.

It reads requests as lines of JSON and answers each with one. Nothing in it starts a thread, so that forking is safe.
"""

import json
import os
import sys
import threading
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

PRELOADED = (
    "runner.cli.main",
    "runner.config.compose",
    "runner.run.run",
    "runner.sweep.sweep",
    *(f"runner.stages.{name}" for name in ("fit", "test", "prune", "compress", "analyse", "export", "benchmark")),
    "runner.cli.commands.resume",
    "torchao.quantization.pt2e.quantize_pt2e",
    "torch._inductor.compile_fx",
)


def main() -> None:
    """Warm up by running the command lines given as arguments once; then serve."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in PRELOADED:
        import_module(name)
    for text in sys.argv[1:]:
        run(json.loads(text))
    assert threading.active_count() == 1, "a thread would not survive the fork"
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


def run(arguments: list[str]) -> int:
    """The exit status of `python -m runner ARGUMENTS`, in this process."""
    from runner.cli.main import main

    os.environ.pop("RUNNER_RUN_DIRECTORY", None)
    return main(arguments)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Exit status of a forked process, what it printed, and how many operations it counted (where it lived)."""
    console, counted = Path(request["console"]), Path(request["console"] + ".count")
    counted.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        child(request, counted)
    _, status, used = os.wait4(pid, 0)
    count = int(counted.read_text()) if counted.exists() else 0
    return {
        "status": os.waitstatus_to_exitcode(status),
        "printed": console.read_text(errors="replace"),
        "count": count,
        "cpu": used.ru_utime + used.ru_stime,
    }


def child(request: dict[str, Any], counted: Path) -> NoReturn:
    """The forked process."""
    from tests.faults.hook import install

    status = 1
    try:
        console = os.open(request["console"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(console, 1)
        os.dup2(console, 2)
        os.chdir(request["directory"])
        fault = install(request["place"], request["at"], request["signal"])
        status = run(request["arguments"])
        fault.at = 0
        counted.write_text(str(fault.count))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
