"""Cost of a sweep beside its runs, and the time that two processes save."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

JOBS, ROUNDS = 20, 3
OVERHEAD_SECONDS, SHARE = 0.5, 0.6
SHORT = ("model=mlp", "data=digits", "trainer.max_epochs=1", "seed=range(1,21)")
# Long enough for the seconds of a start to be worth it. What two processes can save is what one leaves: graph networks
# keep one thread busy and leave a core idle, convolutions keep both busy.
LONG = {
    "graph networks": ("model=gcn", "data=karate", "trainer.max_epochs=3000", "seed=1,2,3,4"),
    "small layers": ("model=mlp", "data=digits", "trainer.max_epochs=250", "seed=1,2,3,4"),
    "convolutions": ("model=resnet", "data=digits", "trainer.max_epochs=60", "seed=1,2,3,4"),
}
PROCESSES = ("launcher=processes", "launcher.jobs=2")


def sweep(*overrides: str) -> tuple[float, float]:
    """Wall seconds of a whole command, and the seconds that its runs spent in their stages."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "runner", "-m", *overrides, "trainer=cpu", "hydra.sweep.dir=sweep"]
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
        wall = time.perf_counter() - started
        results = [json.loads(path.read_text()) for path in Path(folder).rglob("result.json")]
        return wall, sum(result["seconds"]["total"] for result in results)


def main() -> None:
    """Prints both figures with what they may be."""
    overheads = [(wall - inside) / JOBS for wall, inside in (sweep(*SHORT) for _ in range(ROUNDS))]
    median = statistics.median(overheads)
    print(
        f"sweep of {JOBS} short runs in one process: {median:.2f} s a run above its stages "
        f"({min(overheads):.2f} to {max(overheads):.2f}; at most {OVERHEAD_SECONDS})"
    )
    for kind, runs in LONG.items():
        (serial, inside), (parallel, inside_one) = sweep(*runs), sweep(*runs, *PROCESSES)
        threads = inside_one / inside
        print(
            f"two processes / one process, {kind}: {parallel / serial:.2f} (at most {SHARE}); one process took "
            f"{serial:.0f} s, and its second thread made it {threads:.2f} times as fast, so that no less than "
            f"{threads / 2:.2f} is possible"
        )
