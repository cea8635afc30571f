"""make faults: kill a training, a run through every stage and a sweep at every operation on their files, by hand."""

import random
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.faults.cases import RUNS, Case
from tests.faults.client import Server

NAMES = (*RUNS, "sweep")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
# Moments between operations on files: imports, compilations, whatever Python tells an auditor of.
ANYWHERE = 20


def attempts(case: Case, sample: int) -> Iterator[tuple[int, int, bool]]:
    """Operation, signal, and whether it is counted among all that an auditor hears of."""
    every = [(at, number, False) for number in SIGNALS for at in range(1, case.operations + 1)]
    drawn = random.Random(0)
    yield from every if not sample else drawn.sample(every, min(sample, len(every)))
    place = case.server.directory / f"{case.name}-counted"
    whole = case.finish(place, case.start(place, anywhere=True)).count
    for _ in range(min(sample, ANYWHERE) if sample else ANYWHERE):
        yield drawn.randint(1, whole), signal.SIGTERM, True


def main() -> int:
    """`python -m tests.faults [NAMES] [SAMPLE]`: say each that failed, and how many there were.

    `python -m tests.faults train,prune,compress,sweep 13` draws 104 kills over every stage: a quarter of an hour.
    """
    names = sys.argv[1].split(",") if len(sys.argv) > 1 else NAMES
    sample = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failed = 0
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        server = Server(Path(folder), [*RUNS["train"], f"hydra.run.dir={folder}/warm"])
        for name in names:
            case, tried, broken = Case(server, name), 0, 0
            for at, number, anywhere in attempts(case, sample):
                tried += 1
                try:
                    case.survives(at, number, anywhere=anywhere)
                except AssertionError as error:
                    broken += 1
                    where = "anywhere" if anywhere else "on files"
                    print(f"{name}, {signal.Signals(number).name} at {at} {where}: {error}", flush=True)
            failed += broken
            stages = ", ".join(f"{count} in {stage}" for stage, count in case.stages.most_common())
            print(f"{name}: {tried - broken} of {tried} went on to the same end, {case.cpu:.0f} s of CPU", flush=True)
            print(f"{name}: {stages}", flush=True)
        server.close()
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
