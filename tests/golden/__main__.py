"""python -m tests.golden [NAME ...]: write down what the golden runs measure now."""

import json
import sys
import tempfile
from pathlib import Path

from tests.golden import RUNS
from tests.golden.measure import file, measure


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in RUNS]
    if unknown:
        print(f"{', '.join(unknown)}: there is no such run; known: {', '.join(RUNS)}")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        for name in names or RUNS:
            metrics = measure(name, Path(folder) / name)
            content = {"command": " ".join(RUNS[name]), "metrics": metrics}
            file(name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
