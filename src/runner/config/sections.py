"""The sections of a configuration: which values their keys may have, as annotations of dataclasses."""

from dataclasses import dataclass
from typing import Annotated

from runner.compression.constraints import Rule, above, at_least, between, from_to, one_of, share

# Of one machine; each is a process.
DEVICES = WORKERS = 1024
SEEDS = 2**32 - 1
# Letters of a sequence, which some networks read one after the other; and samples that are drawn, not read.
LONGEST, MADE = 100_000, 1_000_000
CYCLES = {"hour", "weekday", "day", "month"}
PRECISIONS = (
    "16-mixed",
    "16-true",
    "32-true",
    "64-true",
    "bf16-mixed",
    "bf16-true",
)


@dataclass
class RunSection:
    """Run-level keys."""

    seed: Annotated[int, from_to(0, SEEDS)]
    name: str
    mode: Annotated[str, one_of("default", "smoke", "debug", "overfit", "profile")]
    stages: list[str]
    checkpoint: str | None
    checkpoint_strict: bool
    compile: bool
    channels_last: bool


@dataclass
class CrossValidationSection:
    """Keys of every run."""

    folds: Annotated[
        int,
        Rule(
            "0 (off) or at least 2", lambda value: value == 0 or value >= 2, schema={"minimum": 0, "not": {"const": 1}}
        ),
    ]


@dataclass
class BatchNormSection:
    """Keys of every run."""

    recalibrate: bool


@dataclass
class RunnerSection:
    """Keys of every run."""

    plugins: list[str]
    hold: list[str]


@dataclass
class DataSection:
    """Keys of every run."""

    root: str | None
    content: str | None
    batch_size: Annotated[int, at_least(1)]
    num_workers: Annotated[int, from_to(0, WORKERS)]
    split_seed: Annotated[int, from_to(0, SEEDS)]
    shuffle_seed: Annotated[int, from_to(0, SEEDS)]
    std: (
        Annotated[
            list[float],
            Rule(
                "each above 0",
                lambda value: all(each > 0 for each in value),
                schema={"items": {"exclusiveMinimum": 0}},
            ),
        ]
        | Annotated[float, above(0)]
        | None
    )
    validation_fraction: Annotated[float, share(one=False)]
    test_fraction: Annotated[float, share(one=False)]
    image_size: Annotated[int, at_least(1)]
    channels: Annotated[int, at_least(1)]
    fit: Annotated[str, one_of("crop", "squash", "pad")]
    on_broken: Annotated[str, one_of("auto", "skip", "fail")]
    cache: str
    num_classes: Annotated[int, at_least(1)] | None
    max_length: Annotated[int, from_to(1, LONGEST)]
    num_tokens: Annotated[int, at_least(1)]
    num_features: Annotated[int, at_least(1)] | None
    num_targets: Annotated[int, at_least(1)] | None
    num_nodes: Annotated[int, at_least(1)] | None
    samples: Annotated[int, from_to(1, MADE)]
    graphs_a_class: Annotated[int, from_to(1, MADE)]
    per_class: Annotated[int, at_least(1)]
    most: Annotated[int, at_least(1)]
    most_boxes: Annotated[int, at_least(1)]
    smallest: Annotated[float, above(0)]
    largest: Annotated[float, above(0)]
    noise: Annotated[float, at_least(0)]
    seed: Annotated[int, from_to(0, SEEDS)]
    memory_limit_gb: Annotated[float, above(0)]
    bucket_batches: Annotated[int, at_least(1)]
    missing: Annotated[str, one_of("mean", "median", "most_frequent", "drop", "error")]
    date_parts: (
        Annotated[
            list[str],
            Rule(
                "of hour, weekday, day, month",
                lambda value: set(value) <= CYCLES,
                schema={"items": {"enum": sorted(CYCLES)}},
            ),
        ]
        | None
    )
    date_format: str | None
    max_categories: Annotated[int, at_least(1)]
    header: bool
    encoding: str | None
    # Balanced drawing of rows, or how nodes of a graph are sampled.
    sampling: Annotated[str, one_of("balanced")] | dict | None  # type: ignore[type-arg]


@dataclass
class OptimizerSection:
    """Keys of every run."""

    lr: Annotated[float, above(0)]
    weight_decay: Annotated[float, at_least(0)]
    momentum: Annotated[float, share(one=False)]
    max_iter: Annotated[int, at_least(1)]
    history_size: Annotated[int, at_least(1)]


@dataclass
class SchedulerSection:
    """What schedules, torch's and ours, have under these names; fractions are of the steps, or of the rate."""

    warmup_fraction: Annotated[float, share(one=True)]
    start_fraction: Annotated[float, above(0)]
    final_fraction: Annotated[float, share(one=True)]
    step_size: Annotated[int, at_least(1)]
    gamma: Annotated[float, above(0)]
    factor: Annotated[float, between(0, 1)]
    patience: Annotated[int, at_least(0)]


@dataclass
class TrainerSection:
    """Keys of every run."""

    max_epochs: Annotated[int, at_least(1)]
    accelerator: Annotated[str, one_of("auto", "cpu", "gpu", "cuda", "mps", "tpu")]
    devices: (
        Annotated[
            int,
            Rule(
                f"-1 (all) or from 1 to {DEVICES}",
                lambda value: value == -1 or 1 <= value <= DEVICES,
                schema={"minimum": -1, "maximum": DEVICES, "not": {"const": 0}},
            ),
        ]
        | str
        | list[int]
    )
    precision: Annotated[str, one_of(*PRECISIONS)]
    gradient_clip_val: Annotated[float, above(0)] | None
    accumulate_grad_batches: Annotated[int, at_least(1)]
    log_every_n_steps: Annotated[int, at_least(1)]
    check_val_every_n_epoch: Annotated[int, at_least(1)]


@dataclass
class TaskSection:
    """Keys of every run."""

    name: str
    monitor: str
    monitor_mode: Annotated[str, one_of("min", "max")]
    label_smoothing: Annotated[float, share(one=False)]
    class_weights: Annotated[str, one_of("balanced")] | list[float] | dict | None  # type: ignore[type-arg]


@dataclass
class FinetuneSection:
    """Keys of every run."""

    kind: str
    trainable: str
    adapter: str | None


@dataclass
class MethodSection:
    """What every method has; the rest is judged by the settings beside its recipes."""

    kind: str


@dataclass
class QuantizationSection(MethodSection):
    """Keys of every run."""

    skip: list[str]
    max_drop: Annotated[float, at_least(0)]


@dataclass
class DistillationSection(MethodSection):
    """Keys of every run."""

    teacher: str | None


@dataclass
class ExportSection:
    """Keys of every run."""

    formats: Annotated[str, one_of("auto")] | list[str]
    decode: bool


@dataclass
class BenchmarkSection:
    """Keys of every run."""

    batch_sizes: Annotated[
        list[int],
        Rule(
            "at least one, each at least 1",
            lambda value: bool(value) and all(each >= 1 for each in value),
            schema={"minItems": 1, "items": {"minimum": 1}},
        ),
    ]
    runs: Annotated[int, at_least(1)]
    seconds: Annotated[float, above(0)]
    bf16: bool


@dataclass
class SweepSection:
    """Keys of every run."""

    grid: list[str]
    recipes: list[str]
    train_once: bool
    teacher: list[str]
    skip_done: bool
    retry_failed: bool
    on_error: Annotated[str, one_of("continue", "stop")]
    on_invalid: Annotated[str, one_of("refuse", "skip")]
    test: Annotated[str, one_of("all", "winner", "none")]


@dataclass
class GoalSection:
    """Keys of every run."""

    max_drop: Annotated[float, at_least(0)]
    minimise: Annotated[str, one_of("size", "latency")]


@dataclass
class SearchSection:
    """Keys of every run."""

    trials: Annotated[int, at_least(1)]
    sampler: Annotated[str, one_of("tpe", "random", "gp", "cmaes")]
    startup_trials: Annotated[int, at_least(0)]
    prune: bool
    seed: Annotated[int, from_to(0, SEEDS)]


@dataclass
class LauncherSection:
    """Keys of every run."""

    jobs: Annotated[int, at_least(1)]


@dataclass
class ExpectedSection:
    """Keys of every run."""

    metric: str | None
    value: float | str | None
    tolerance: Annotated[float, at_least(0)] | None
    mode: Annotated[str, one_of("min", "max")]
    also: dict  # type: ignore[type-arg]
    at_least: dict  # type: ignore[type-arg]


# A section is judged by the annotations of all its classes.
