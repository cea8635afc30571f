"""The methods that make a network small, in the order in which they follow on each other: one row each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Method:
    """One method. A further recipe of it needs no row: what a recipe is like, its class or its YAML says.

    Attributes:
        group: its configuration group, and the section of that name.
        stage: the stage that puts another network into the task; empty where every training is changed instead.
        phase: what the network has been through after the stage, as its test metrics are named.
        checkpoint: the file below `checkpoints/` that keeps the float network it made; empty where it makes none.
        folder: the folder below `checkpoints/` of the trainings that belong to it.
        details: prefixes of metrics that the stage shows in a table of its own.
        example: a choice for those who name none.
        beside: the overrides that a run with this method alone needs.
    """

    group: str
    stage: str = ""
    phase: str = ""
    checkpoint: str = ""
    folder: str = ""
    details: tuple[str, ...] = ()
    example: str = ""
    beside: tuple[str, ...] = ()


PRUNING = Method(
    "pruning", "prune", "pruned", "pruned", "pruned", details=("pruning/", "pruned/round"), example="channel"
)
FACTORIZATION = Method("factorization", "factorize", "factorized", "factorized", "factorized", example="low_rank")
DISTILLATION = Method("distillation", example="logits", beside=("pruning=channel", "distillation.teacher=self"))
QUANTIZATION = Method(
    "quantization",
    "compress",
    "compressed",
    folder="qat",
    example="ptq_static",
    details=("compressed/kernels/", "qat/"),
)
METHODS = (PRUNING, FACTORIZATION, DISTILLATION, QUANTIZATION)

GROUPS = tuple(each.group for each in METHODS)
# The stages that put another network into the task, and what it has been through after each.
STAGES = tuple(each.stage for each in METHODS if each.stage)
PHASES = tuple(each.phase for each in METHODS if each.phase)
# Of a run directory: the float networks that were made of the trained one, and all trainings of what was made.
CHECKPOINTS = tuple(each.checkpoint for each in METHODS if each.checkpoint)
FOLDERS = tuple(each.folder for each in METHODS if each.folder)
DETAILS = tuple(prefix for each in METHODS for prefix in each.details)
# What a step of adapters is called among those that lead to a network.
ADAPTER = "adapter"
# Keys of a method's section that tell others about its recipe, and change nothing that is computed:
# expected_ratio (shares of bytes and time that it promises; `leaves` in older configurations), leaves_zeros (weights
# that later methods must not replace), refuses (kinds of data, each with the reason), compares_layers (distillation
# that looks into both networks), trains_program (quantization that trains on in a captured program).
DECLARATIONS = ("expected_ratio", "leaves", "leaves_zeros", "refuses", "compares_layers", "trains_program")


def is_chosen(section: Mapping[str, Any] | None) -> bool:
    """Return whether the section of a method holds a recipe: `none` has no settings but what others read of it."""
    return bool(section and section.get("recipe"))
