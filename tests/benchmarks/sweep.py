"""What a sweep costs beside its runs, and what two processes save of the time of one."""

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
# Eight runs of some twenty seconds: long enough for the six of a process's start to be worth it.
LONG = ("model=resnet", "data=digits", "trainer.max_epochs=20", "seed=range(1,9)")
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
    pairs = [(sweep(*LONG)[0], sweep(*LONG, *PROCESSES)[0]) for _ in range(2)]
    ratios = [parallel / serial for serial, parallel in pairs]
    print(
        f"two processes / one process: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}; at most {SHARE}); one process took {pairs[0][0]:.0f} s"
    )
