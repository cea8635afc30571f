"""The rules of what makes networks small: teachers that can teach, and stages in an order that can work."""

from collections.abc import Iterator
from pathlib import Path

from runner.config.schema import Config

SELF, SWEEP = "self", "sweep"
ORDER = ("prune", "factorize", "compress")
# Pruning that leaves zeros where they stand.
LEAVES_ZEROS = ("magnitude", "semi_structured", "lottery")


def check_order(config: Config) -> Iterator[str]:
    """Stages that make a network smaller follow on each other as they must."""
    stages = [stage for stage in config["stages"] or [] if stage in ORDER]
    if stages != sorted(stages, key=ORDER.index):
        yield f"stages: {', '.join(stages)} cannot follow on each other in this order; use {', '.join(ORDER)}."


def check_factorization(config: Config) -> Iterator[str]:
    """The stage factorize has a recipe, and what pruning made is still there after it."""
    kind, pruning = config["factorization"]["kind"], config["pruning"]["kind"]
    if kind == "none":
        if "factorize" in (config["stages"] or []):
            yield "The stage factorize needs a recipe: add factorization=low_rank (see: runner list factorization)."
    elif pruning in LEAVES_ZEROS:
        yield (
            f"pruning={pruning} factorization={kind}: factorized layers have no zeros where weights were pruned. "
            "Use pruning=channel with it, or one of the two."
        )


def check_distillation(config: Config) -> Iterator[str]:
    """There is a teacher, it has something to teach, and layers are compared only where there are layers."""
    settings = config["distillation"]
    kind, teacher = settings["kind"], settings.get("teacher")
    if kind == "none":
        return
    rounded = config["quantization"]["kind"] == "qat"
    later = rounded or config["pruning"]["kind"] != "none" or config["factorization"]["kind"] != "none"
    if teacher is None:
        yield (
            f"distillation={kind} needs a teacher: distillation.teacher=RUN_DIRECTORY of a trained run; or self, with "
            "pruning, factorization or quantization=qat. python -m runner -m sweep=distillation trains one first."
        )
    elif teacher == SELF and not later:
        yield (
            "distillation.teacher=self: a network has nothing to learn from itself as long as nothing is made of it. "
            "Add quantization=qat, factorization=low_rank or pruning=channel, or name a teacher's run directory."
        )
    elif teacher not in (SELF, SWEEP) and not Path(str(teacher)).exists():
        yield f"distillation.teacher={teacher}: there is no such run directory or file."
    if kind == "logits":
        return
    if rounded:
        yield (
            f"distillation={kind} quantization=qat: rounding is trained in a captured program, which has no layers to "
            "compare. Use distillation=logits."
        )
    if str(teacher).endswith(".pt2"):
        yield (
            f"distillation={kind} distillation.teacher={teacher}: a program has no layers to compare. Use "
            "distillation=logits, or the run directory as the teacher."
        )
