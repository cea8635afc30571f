"""What is killed: a training, a run through every stage, a sweep; and what must be equal afterwards."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.client import Outcome, Server

SMALL = (
    "data=digits",
    "trainer=cpu",
    "logger=csv",
    "model=mlp",
    "model.hidden=[8]",
    "data.batch_size=32",
    "trainer.max_epochs=2",
    "trainer.log_every_n_steps=1",
    "trainer.limit_train_batches=2",
    "trainer.limit_val_batches=1",
    "trainer.limit_test_batches=1",
)
PRUNE = ("pruning=channel", "pruning.rounds=2", "pruning.multiple_of=1", "benchmark.runs=2", "benchmark.seconds=0.1")
COMPRESS = (
    *PRUNE,
    "quantization=qat",
    "quantization.fine_tune.epochs=1",
    "quantization.calibration.batches=1",
    "export.formats=[program]",
    "benchmark.batch_sizes=[2]",
    "benchmark.bf16=false",
)
RUNS = {
    "train": SMALL,
    "prune": (*SMALL, *PRUNE, "stages=[fit,test,prune,test,predict]"),
    "compress": (*SMALL, *COMPRESS, "stages=[fit,test,prune,test,compress,test,analyse,export,benchmark]"),
}
SWEEP = ("-m", *SMALL, "seed=1,2", "optimizer.lr=0.01")
# Time and memory are never equal.
MEASURED = ("benchmark/", "gain/speed")
EVENTS = ("latency", "seconds", "_ms")


@dataclass(frozen=True)
class Left:
    """What a finished run left that must not depend on its having been killed."""

    metrics: dict[str, float]
    rows: bytes
    result: dict[str, Any]


def left(path: Path) -> Left:
    """What lies in a run directory; without times, and where it lies."""
    result = json.loads((path / "result.json").read_text())
    assert json.loads((path / "status.json").read_text())["state"] == "done"
    assert [each.name for each in path.rglob("*.partial")] == []
    metrics = {name: value for name, value in result.pop("metrics").items() if not is_time(name)}
    for name in ("seconds", "run_directory"):
        del result[name]
    artifacts = result.pop("artifacts")
    result["artifacts"] = {name: {**each, "bytes": 0, "sha256": ""} for name, each in artifacts.items()}
    return Left(metrics, (path / "metrics.csv").read_bytes(), result)


def is_time(name: str) -> bool:
    """Whether a metric is of time."""
    return name.startswith(MEASURED) or any(each in name for each in EVENTS)


def assert_same(one: Left, other: Left) -> None:
    """Fail where two runs left something different."""
    assert one.metrics == other.metrics
    assert one.rows.decode() == other.rows.decode()
    assert one.result == other.result


def stage_of(place: Path) -> str:
    """The stage in which a run was when it ended, of a sweep its last run's; `start` where none had begun."""
    statuses = [place / "status.json", *sorted(place.glob("*/status.json"))]
    stages = [json.loads(each.read_text()).get("stage") or "start" for each in statuses if each.exists()]
    return stages[-1] if stages else "start"


class Case:
    """One command line, run whole once; then as often as wanted killed and gone on with.

    Attributes:
        stages: how often it was killed in which stage.
    """

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name
        self.number = 0
        self.cpu = 0.0
        self.stages = Counter[str]()
        place = server.directory / f"{name}-whole"
        self.operations = self.finish(place, self.start(place)).count
        self.whole = self.read(place)

    def start(self, place: Path, at: int = 0, signal: int = 0, *, anywhere: bool = False) -> Outcome:
        """Run the command line into `place`, with a signal at an operation below it."""
        sweep = (*SWEEP, f"hydra.sweep.dir={place}")
        arguments = sweep if self.name == "sweep" else (*RUNS[self.name], f"hydra.run.dir={place}")
        return self.spend(self.server.run(arguments, None if anywhere else place, at, signal))

    def go_on(self, place: Path) -> Outcome:
        """Go on with what was killed, as a person would; begin anew where nothing had begun."""
        if self.name == "sweep" or not (place / "config.yaml").exists():
            return self.start(place)
        if json.loads((place / "status.json").read_text())["state"] == "done":
            return Outcome(0, "", 0, 0.0)
        return self.spend(self.server.run(["resume", str(place)], place))

    def spend(self, outcome: Outcome) -> Outcome:
        """Sum up processor time."""
        self.cpu += outcome.cpu
        return outcome

    def finish(self, place: Path, outcome: Outcome) -> Outcome:
        """Fail where a command line did not end well."""
        assert outcome.status == 0, f"{place}: {outcome.printed[-3000:]}"
        assert "Traceback" not in outcome.printed, outcome.printed[-3000:]
        return outcome

    def read(self, place: Path) -> list[Left]:
        """What all runs of it left."""
        places = [place / "0", place / "1"] if self.name == "sweep" else [place]
        return [left(each) for each in places]

    @contextmanager
    def place(self) -> Iterator[Path]:
        """A directory for one attempt; kept where it fails."""
        self.number += 1
        path = self.server.directory / f"{self.name}-{self.number}"
        yield path
        shutil.rmtree(path, ignore_errors=True)

    def survives(self, at: int, signal: int, *, anywhere: bool = False) -> Outcome:
        """Kill it at an operation, go on, and compare; return how it was ended."""
        with self.place() as place:
            ended = self.start(place, at, signal, anywhere=anywhere)
            assert "Traceback" not in ended.printed, ended.printed[-3000:]
            self.stages[stage_of(place)] += 1
            self.finish(place, self.go_on(place))
            for one, other in zip(self.whole, self.read(place), strict=True):
                assert_same(one, other)
        return ended
