"""python -m tests.promises [NAME ...]: do the data sets' own commands reach what their headers promise?"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

from runner.config import catalog
from runner.errors import RunnerError
from tests.promises import LONG, SEEDS, promise
from tests.promises.measure import measure


def main(names: list[str]) -> int:
    """Print one line a data set; 1 where a promise is not kept."""
    os.environ.setdefault("RUNNER_OFFLINE", "1")
    broken, lines = 0, []
    for name in names or catalog.choices([catalog.own_config_directory()])["data"]:
        promised = promise(name)
        if promised is None:
            lines.append(f"{name}: promises no number")
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                seeds = range(1, 2 if name in LONG else SEEDS + 1)
                runs = [measure(promised, seed, Path(folder) / str(seed)) for seed in seeds]
            except RunnerError as error:
                lines.append(f"{name}: not tried ({str(error).splitlines()[0]})")
                continue
        measured, noticed = [value for value, _ in runs], sorted({kind for _, kinds in runs for kind in kinds})
        worst = min(measured) if promised.mode == "max" else max(measured)
        kept = promised.shortfall(measured) == 0
        broken += not kept
        spread = f" ± {statistics.stdev(measured):.4f}" if len(measured) > 1 else ""
        lines.append(
            f"{name}: {'kept' if kept else 'NOT KEPT'}: {promised.metric} {promised.value:g} promised, "
            f"{statistics.fmean(measured):.4f}{spread} of {len(measured)} seeds measured, "
            f"worst {worst:.4f}; noticed: {', '.join(noticed) or 'nothing'}"
        )
    print("\n".join(lines))
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
