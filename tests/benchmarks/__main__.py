"""make benchmark: every speed claim of the README, both sides measured in one process, run after run."""

import sys

from tests.benchmarks import (
    boxes,
    checkpoint,
    epoch,
    graph_epoch,
    images,
    lora,
    masks,
    names,
    report,
    serving,
    small,
    sweep,
    table,
    time_to_accuracy,
    waiting,
)

BENCHMARKS = {
    "epoch": epoch.main,
    "names": names.main,
    "graph_epoch": graph_epoch.main,
    "time_to_accuracy": time_to_accuracy.main,
    "report": report.main,
    "sweep": sweep.main,
    "small": small.main,
    "images": images.main,
    "masks": masks.main,
    "table": table.main,
    "boxes": boxes.main,
    "lora": lora.main,
    "serving": serving.main,
    "checkpoint": checkpoint.main,
    "waiting": waiting.main,
}


def main(arguments: list[str]) -> int:
    """Runs the named benchmarks, or all of them."""
    for name in arguments or BENCHMARKS:
        if name not in BENCHMARKS:
            print(f"{name}: there is no such benchmark; known: {', '.join(BENCHMARKS)}")
            return 2
        BENCHMARKS[name]()
    return 0


sys.exit(main(sys.argv[1:]))
