"""What a composed configuration must satisfy, section by section: types and ranges as dataclasses."""

from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

from runner.config.constraints import Rule, above, at_least, complain, one_of, share, show

Config = dict[str, Any]

PRECISIONS = (
    "16-mixed",
    "16-true",
    "32-true",
    "64-true",
    "bf16-mixed",
    "bf16-true",
)


@dataclass
class Run:
    """Run-level keys."""

    seed: Annotated[int, Rule("from 0 to 4294967295", lambda value: 0 <= value < 2**32)]
    name: str
    mode: Annotated[str, one_of("default", "smoke", "debug", "overfit", "profile")]
    stages: list[str]
    checkpoint: str | None
    compile: bool
    channels_last: bool


@dataclass
class CrossValidation:
    folds: Annotated[int, Rule("0 (off) or at least 2", lambda value: value == 0 or value >= 2)]


@dataclass
class Runner:
    plugins: list[str]


@dataclass
class Data:
    root: str | None
    batch_size: Annotated[int, at_least(1)]
    num_workers: Annotated[int, at_least(0)]
    split_seed: Annotated[int, at_least(0)]
    validation_fraction: Annotated[float, share(one=False)]
    test_fraction: Annotated[float, share(one=False)]
    image_size: Annotated[int, at_least(1)]
    channels: Annotated[int, at_least(1)]
    num_classes: Annotated[int, at_least(2)] | None
    max_length: Annotated[int, at_least(1)]
    num_tokens: Annotated[int, at_least(1)]
    bucket_batches: Annotated[int, at_least(1)]


@dataclass
class Optimizer:
    lr: Annotated[float, above(0)]
    weight_decay: Annotated[float, at_least(0)]
    momentum: Annotated[float, share(one=False)]


@dataclass
class Trainer:
    max_epochs: Annotated[int, at_least(1)]
    accelerator: Annotated[str, one_of("auto", "cpu", "gpu", "cuda", "mps", "tpu")]
    devices: int | str | list[int]
    precision: Annotated[str, one_of(*PRECISIONS)]
    gradient_clip_val: Annotated[float, above(0)] | None
    accumulate_grad_batches: Annotated[int, at_least(1)]
    log_every_n_steps: Annotated[int, at_least(1)]
    check_val_every_n_epoch: Annotated[int, at_least(1)]


@dataclass
class Task:
    name: str
    monitor: str
    monitor_mode: Annotated[str, one_of("min", "max")]
    label_smoothing: Annotated[float, share(one=False)]


@dataclass
class Quantization:
    kind: Annotated[str, one_of("none", "static", "dynamic", "qat", "weight", "format", "sharing")]
    skip: list[str]
    max_drop: Annotated[float, at_least(0)]
    bits: Annotated[int, Rule("2, 4 or 8", lambda value: value in (2, 4, 8))]
    group_size: Annotated[int, at_least(1)] | None
    activation: Annotated[str, one_of("float32", "bfloat16", "int8")]
    rounding: Annotated[str, one_of("nearest", "mse", "gptq")]
    clusters: Annotated[int, Rule("from 2 to 256", lambda value: 2 <= value <= 256)]
    dtype: Annotated[str, one_of("bfloat16", "float16")]


@dataclass
class Calibration:
    batches: Annotated[int, at_least(1)]
    batch_size: Annotated[int, at_least(1)]
    seed: Annotated[int, at_least(0)]


@dataclass
class Corrections:
    equalize: bool
    smooth: Annotated[float, share(one=True)] | None
    adaround: bool | dict  # type: ignore[type-arg]  # complain() looks the plain type up
    bias_correction: bool


@dataclass
class AdaRound:
    iterations: Annotated[int, at_least(1)]
    batch_size: Annotated[int, at_least(1)]
    lr: Annotated[float, above(0)]
    regularization: Annotated[float, at_least(0)]


@dataclass
class FineTune:
    epochs: Annotated[int, at_least(1)]
    lr: Annotated[float, above(0)]
    observers_after: Annotated[int, at_least(0)] | None
    batch_norm_after: Annotated[int, at_least(0)] | None


@dataclass
class Factorization:
    rank: Annotated[float, above(0)]
    energy: Annotated[float, Rule("above 0 and up to 1", lambda value: 0 < value <= 1)] | None
    multiplier: Annotated[int, at_least(1)]
    least_channels: Annotated[int, at_least(1)]
    skip: list[str]


@dataclass
class FactorizationFineTune:
    epochs: Annotated[int, at_least(0)]
    lr: Annotated[float, above(0)]


@dataclass
class Distillation:
    teacher: str | None
    share: Annotated[float, share(one=True)]
    temperature: Annotated[float, above(0)]
    weight: Annotated[float, at_least(0)]


@dataclass
class Pruning:
    kind: Annotated[str, one_of("none", "magnitude", "semi_structured", "channel", "lottery")]
    ratio: Annotated[float, share(one=False)] | None
    macs: Annotated[float, share(one=False)] | None
    importance: Annotated[str, one_of("l1", "l2", "bn_scale", "taylor")]
    scope: Annotated[str, one_of("global", "layer")]
    schedule: Annotated[str, one_of("one_shot", "iterative", "cubic")]
    rounds: Annotated[int, at_least(1)]
    multiple_of: Annotated[int, at_least(1)]
    skip: list[str]
    keep: Annotated[int, at_least(1)]
    group: Annotated[int, at_least(2)]
    rewind_epoch: Annotated[int, at_least(0)]
    importance_batches: Annotated[int, at_least(1)]


@dataclass
class PruningFineTune:
    epochs: Annotated[int, at_least(0)]
    last_epochs: Annotated[int, at_least(0)] | None
    lr: Annotated[float, above(0)]
    schedule: bool


@dataclass
class Benchmark:
    batch_sizes: list[int]
    runs: Annotated[int, at_least(1)]
    seconds: Annotated[float, above(0)]
    bf16: bool


@dataclass
class Sweep:
    grid: list[str]
    recipes: list[str]
    train_once: bool
    teacher: list[str]
    skip_done: bool
    retry_failed: bool
    on_error: Annotated[str, one_of("continue", "stop")]
    on_invalid: Annotated[str, one_of("refuse", "skip")]


@dataclass
class Goal:
    max_drop: Annotated[float, at_least(0)]
    minimise: Annotated[str, one_of("size", "latency")]


@dataclass
class Search:
    trials: Annotated[int, at_least(1)]
    sampler: Annotated[str, one_of("tpe", "random", "gp", "cmaes")]
    startup_trials: Annotated[int, at_least(0)]
    prune: bool
    seed: Annotated[int, at_least(0)]


@dataclass
class Launcher:
    jobs: Annotated[int, at_least(1)]


@dataclass
class Expected:
    metric: str | None
    value: float | None
    tolerance: Annotated[float, at_least(0)] | None
    mode: Annotated[str, one_of("min", "max")]


SECTIONS: dict[str, type] = {
    "": Run,
    "cross_validation": CrossValidation,
    "runner": Runner,
    "data": Data,
    "optimizer": Optimizer,
    "quantization": Quantization,
    "quantization.calibration": Calibration,
    "quantization.corrections": Corrections,
    "quantization.corrections.adaround": AdaRound,
    "quantization.fine_tune": FineTune,
    "factorization": Factorization,
    "factorization.fine_tune": FactorizationFineTune,
    "distillation": Distillation,
    "pruning": Pruning,
    "pruning.fine_tune": PruningFineTune,
    "benchmark": Benchmark,
    "trainer": Trainer,
    "task": Task,
    "expected": Expected,
    "compression.goal": Goal,
    "sweep": Sweep,
    "sweep.search": Search,
    "launcher": Launcher,
}


def check_types(config: Config) -> list[str]:
    """One message for every present key whose value has the wrong type or is out of range."""
    messages = []
    for section, schema in SECTIONS.items():
        values: Any = config
        for part in filter(None, section.split(".")):
            values = values.get(part) if isinstance(values, dict) else None
        if not isinstance(values, dict):
            continue
        hints = get_type_hints(schema, include_extras=True)
        for field, hint in hints.items():
            if field in values and (complaint := complain(hint, values[field])):
                key = f"{section}.{field}" if section else field
                messages.append(f"{key}={show(values[field])}: must be {complaint}.")
    return messages
