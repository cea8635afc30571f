"""What a composed configuration must satisfy: which dataclasses say it of which section."""

from collections.abc import Collection
from importlib import import_module
from typing import Any

from runner.compression.constraints import mistakes
from runner.compression.finetuning.settings import RankSchedule, Unfreezing
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
    "finetune": (FinetuneSection, Unfreezing, RankSchedule),
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
# Of methods, which most runs don't use: in the module of a method's settings.
SETTINGS = {
    "quantization.calibration": "Calibration",
    "quantization.fine_tune": "RoundedFineTune",
    "factorization.fine_tune": "FactorizationFineTune",
    "pruning": "PruningRounds",
    "pruning.fine_tune": "PruningFineTune",
}


def sections(groups: Collection[str]) -> dict[str, tuple[type, ...]]:
    """Return the dataclasses of every section, those of the settings of these methods included."""
    found = dict(SECTIONS)
    for place, name in SETTINGS.items():
        group = place.partition(".")[0]
        if group in groups:
            settings = import_module(f"runner.compression.{group}.settings")
            found[place] = (*found.get(place, ()), getattr(settings, name))
    return found


def check_types(config: Config, good: Collection[int] = ()) -> list[str]:
    """Return one message for every present key whose value has the wrong type or is out of range.

    Args:
        good: ids of sections that were found to be right before, and need no second look.
    """
    messages = []
    chosen = [group for group in GROUPS if isinstance(config.get(group), dict) and is_chosen(config[group])]
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
