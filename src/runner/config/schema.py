"""What a composed configuration must satisfy: which dataclasses say it of which section."""

from collections.abc import Collection
from importlib import import_module
from typing import Any

from runner.compression.constraints import mistakes
from runner.compression.methods import GROUPS, is_chosen
from runner.config.networks import ModelSection, SamplingSection
from runner.config.sections import (
    BatchNormSection,
    BenchmarkSection,
    CrossValidationSection,
    DataSection,
    DistillationSection,
    ExpectedSection,
    ExportSection,
    FinetuneSection,
    GoalSection,
    LauncherSection,
    MethodSection,
    OptimizerSection,
    QuantizationSection,
    RunnerSection,
    RunSection,
    SchedulerSection,
    SearchSection,
    SweepSection,
    TaskSection,
    TrainerSection,
)

Config = dict[str, Any]

SECTIONS: dict[str, tuple[type, ...]] = {
    "": (RunSection,),
    "cross_validation": (CrossValidationSection,),
    "batch_norm": (BatchNormSection,),
    "runner": (RunnerSection,),
    "data": (DataSection,),
    "data.sampling": (SamplingSection,),
    "model": (ModelSection,),
    "optimizer": (OptimizerSection,),
    "scheduler": (SchedulerSection,),
    "finetune": (FinetuneSection,),
    "quantization": (QuantizationSection,),
    "factorization": (MethodSection,),
    "distillation": (DistillationSection,),
    "pruning": (MethodSection,),
    "export": (ExportSection,),
    "benchmark": (BenchmarkSection,),
    "trainer": (TrainerSection,),
    "task": (TaskSection,),
    "expected": (ExpectedSection,),
    "compression.goal": (GoalSection,),
    "sweep": (SweepSection,),
    "sweep.search": (SearchSection,),
    "launcher": (LauncherSection,),
}
FINE_TUNING = "finetune"
# Of what most runs don't use, by its place: the module, and the classes there.
SETTINGS = {
    "quantization.calibration": ("quantization", "Calibration"),
    "quantization.fine_tune": ("quantization", "RoundedFineTune"),
    "factorization.fine_tune": ("factorization", "FactorizationFineTune"),
    "pruning": ("pruning", "PruningRounds"),
    "pruning.fine_tune": ("pruning", "PruningFineTune"),
    FINE_TUNING: ("finetuning", "Unfreezing", "RankSchedule"),
}


def sections(groups: Collection[str] = (*GROUPS, FINE_TUNING)) -> dict[str, tuple[type, ...]]:
    """Return the dataclasses of every section, those of the settings of these groups included."""
    found = dict(SECTIONS)
    for place, (module, *names) in SETTINGS.items():
        if place.partition(".")[0] in groups:
            settings = import_module(f"runner.compression.{module}.settings")
            found[place] = (*found.get(place, ()), *(getattr(settings, name) for name in names))
    return found


def check_types(config: Config, good: Collection[int] = ()) -> list[str]:
    """Return one message for every present key whose value has the wrong type or is out of range.

    Args:
        good: ids of sections that were found to be right before, and need no second look.
    """
    messages = []
    chosen = [group for group in GROUPS if isinstance(config.get(group), dict) and is_chosen(config[group])]
    tuned = config.get(FINE_TUNING)
    chosen += [FINE_TUNING] if isinstance(tuned, dict) and tuned.get("kind") != "none" else []
    for section, schemas in sections(chosen).items():
        values: Any = config
        for part in filter(None, section.split(".")):
            values = values.get(part) if isinstance(values, dict) else None
        if isinstance(values, dict) and id(values) not in good:
            if section == "data" and values.get("shuffle_seed") == config.get("seed"):
                # It has the run's own seed, of which a mistake is told already.
                values = {key: value for key, value in values.items() if key != "shuffle_seed"}
            messages += [message for schema in schemas for message in mistakes(schema, values, section)]
    return messages
