"""What a composed configuration must satisfy: which dataclasses say it of which section."""

from collections.abc import Collection
from typing import Any

from runner.compression.constraints import mistakes
from runner.compression.factorization.settings import FactorizationFineTune
from runner.compression.pruning.settings import PruningFineTune, PruningRounds
from runner.compression.quantization.settings import Calibration, RoundedFineTune
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
    "quantization.calibration": (Calibration,),
    "quantization.fine_tune": (RoundedFineTune,),
    "factorization": (MethodSection,),
    "factorization.fine_tune": (FactorizationFineTune,),
    "distillation": (DistillationSection,),
    "pruning": (MethodSection, PruningRounds),
    "pruning.fine_tune": (PruningFineTune,),
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


def check_types(config: Config, good: Collection[int] = ()) -> list[str]:
    """Return one message for every present key whose value has the wrong type or is out of range.

    Args:
        good: ids of sections that were found to be right before, and need no second look.
    """
    messages = []
    for section, schemas in SECTIONS.items():
        values: Any = config
        for part in filter(None, section.split(".")):
            values = values.get(part) if isinstance(values, dict) else None
        if isinstance(values, dict) and id(values) not in good:
            messages += [message for schema in schemas for message in mistakes(schema, values, section)]
    return messages
