"""The rules of what makes networks small: recipes that suit the data, the stages and each other."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from runner.compression.constraints import Settings, SettingsError
from runner.compression.methods import GROUPS, METHODS, STAGES, is_chosen
from runner.config.plugins import is_allowed
from runner.config.schema import Config
from runner.errors import RunnerError

Chosen = Mapping[str, str]
# Ways of fine-tuning that change, while they go on, what trains.
FOLLOWS_STEPS = ("staged", "adalora")


def check_methods(config: Config, chosen: Chosen) -> Iterator[str]:
    """Yield a message for everything that no run with these methods could do."""
    yield from check_stages(config)
    yield from check_finetuning(config)
    for group in GROUPS:
        if is_chosen(config[group]):
            yield from check_settings(config[group]["recipe"], config["runner"]["plugins"] or [])
            yield from check_data(config, chosen, group)
    yield from check_compiled(config)
    yield from check_quantization(config)
    yield from check_factorization(config, chosen)
    yield from check_distillation(config, chosen)
    yield from check_rewinding(config)


def check_stages(config: Config) -> Iterator[str]:
    """Yield a message unless stages have recipes, and follow on each other as they must."""
    stages = [stage for stage in config["stages"] or [] if stage in STAGES]
    for method in METHODS:
        if method.stage in stages and not is_chosen(config[method.group]):
            yield (
                f"The stage {method.stage} needs a recipe: add {method.group}={method.example} "
                f"(see: runner list {method.group})."
            )
    if stages == sorted(stages, key=STAGES.index):
        return
    if "prune" in stages and "compress" in stages[: stages.index("prune")]:
        yield "stages: compress comes before prune, and a quantized program cannot be pruned; put prune first."
    yield f"stages: {', '.join(stages)} cannot follow on each other in this order; use {', '.join(STAGES)}."


def check_finetuning(config: Config) -> Iterator[str]:
    """Yield a message unless adapters have settings that mean something, and base, trainer and optimizer suit."""
    section: Any = config.get("finetune") or {}
    if section.get("kind") in FOLLOWS_STEPS and config["trainer"].get("strategy") in ("ddp", "fsdp"):
        yield (
            f"finetune={section['kind']} changes what trains as it goes, which trainer.strategy="
            f"{config['trainer']['strategy']} settles at the start: use trainer=auto."
        )
    if section.get("kind") == "staged" and str(config["optimizer"].get("_target_")).endswith(".LBFGS"):
        yield "finetune=staged has a rate for each part, and optimizer=lbfgs takes one: use optimizer=adamw."
    if section.get("kind") == "staged" and config["cross_validation"]["folds"]:
        yield "finetune=staged is for one training, and every fold is another: leave cross_validation.folds out."
    if not is_chosen(section):
        return
    yield from check_settings(section["recipe"], config["runner"]["plugins"] or [])
    yield from check_rank_schedule(section)
    name = f"finetune={section['kind']}"
    if find_spec("peft") is None:
        yield f"{name} needs peft, which is not installed here: pip install 'runner[finetune]'."
    if config["cross_validation"]["folds"]:
        yield f"{name} adapts one network, and every fold trains a fresh one: leave cross_validation.folds out."
    if config["compile"]:
        yield f"{name} compile=true: a compiled network cannot be adapted; leave compile out."


def check_rank_schedule(section: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message unless ranks fall, and have steps to fall in."""
    first, final = section.get("rank"), section.get("final_rank")
    if isinstance(first, int) and isinstance(final, int) and final >= first:
        yield f"finetune.final_rank={final}: ranks fall, from finetune.rank={first}; choose a lower one."
    before, after = section.get("before", 0), section.get("after", 0)
    if isinstance(before, float) and isinstance(after, float) and before + after >= 1:
        yield f"finetune.before={before} finetune.after={after}: leave no steps in which ranks fall; lower one of them."


def check_settings(recipe: Any, plugins: list[str]) -> Iterator[str]:
    """Yield what a recipe, and whatever it is given, says to its settings.

    The very class that it is made of is built.
    """
    if not isinstance(recipe, dict):
        return
    schema = settings_class(str(recipe.get("_target_")), plugins)
    if schema is not None:
        try:
            schema(**{key: value for key, value in recipe.items() if key in schema.__dataclass_fields__})
        except SettingsError as error:
            yield from error.messages
    for value in recipe.values():
        yield from check_settings(value, plugins)


def settings_class(target: str, plugins: list[str]) -> type[Settings] | None:
    """Return the settings beside a recipe: `package.settings.NameSettings` for `package.module.Name`.

    None where there are none; such a recipe refuses its values when it is built, which is before any training.
    """
    module, _, name = target.rpartition(".")
    place = f"{module.rpartition('.')[0]}.settings"
    try:
        if not is_allowed(f"{place}.", plugins) or find_spec(place) is None:
            return None
    except ModuleNotFoundError:
        return None
    found = getattr(import_module(place), f"{name}Settings", None)
    return found if isinstance(found, type) and issubclass(found, Settings) else None


def check_data(config: Config, chosen: Chosen, group: str) -> Iterator[str]:
    """Yield the reasons that a recipe or a network gives why it cannot work on this kind of data, or with the other."""
    refused: Any = config[group].get("refuses") or {}
    kind = config["data"].get("kind")
    if kind in refused:
        yield f"{group}={chosen.get(group)} data={chosen.get('data')}: {refused[kind]}"
    unable: Any = config["model"].get("refuses") or {}
    if group in unable:
        yield f"{group}={chosen.get(group)} model={chosen.get('model')}: {unable[group]}"
    sampling: Any = config["data"].get("sampling")
    if config[group].get("trains_program") and isinstance(sampling, dict) and not sees_all(sampling):
        yield (
            f"{group}={chosen.get(group)} fine-tunes a network that is bound to its whole graph: use "
            "data/sampling=full with it."
        )


def sees_all(sampling: Mapping[str, Any]) -> bool:
    """Return whether every training batch sees the whole graph."""
    return str(sampling.get("_target_", "")).endswith(".FullGraph")


def check_compiled(config: Config) -> Iterator[str]:
    """Yield a message unless what is pruned or captured is no compiled network."""
    if not config["compile"]:
        return
    for group, word in {"quantization": "captured again", "pruning": "pruned"}.items():
        if is_chosen(config[group]):
            yield (f"compile=true trains a compiled network, which cannot be {word}: leave it out with {group}.")


def check_quantization(config: Config) -> Iterator[str]:
    """Yield a message unless the back end is installed and can do the recipe, and so can the corrections."""
    quantization = config["quantization"]
    kind = quantization.get("kind")
    if not is_chosen(quantization) or "backend" not in quantization:
        return
    from runner.compression.quantization.backends import support  # most runs do not quantize

    if kind not in support.RECIPES:
        return
    try:
        if "_target_" not in quantization["backend"]:  # somebody else's says it when it is built, before any training
            support.check(quantization["backend"]["name"], kind)
        support.check_mixture(kind, quantization.get("per_layer") or {})
    except RunnerError as error:
        yield f"quantization: {error}"
    corrections = quantization.get("corrections")
    if not isinstance(corrections, dict):
        return
    made = [name for name in support.CORRECTIONS["static"] if corrections.get(name) not in (None, False)]
    try:
        support.check_corrections(kind, made)
    except RunnerError as error:
        yield f"quantization.{error}"


def check_factorization(config: Config, chosen: Chosen) -> Iterator[str]:
    """Yield a message unless what pruning made is still there after factorizing."""
    if is_chosen(config["factorization"]) and config["pruning"].get("leaves_zeros"):
        yield (
            f"pruning={chosen.get('pruning')} factorization={chosen.get('factorization')}: factorized layers have no "
            "zeros where weights were pruned. Use pruning=channel with it, or one of the two."
        )


def check_distillation(config: Config, chosen: Chosen) -> Iterator[str]:
    """Yield a message unless there is a teacher with something to teach, and layers where layers are compared."""
    settings = config["distillation"]
    if not is_chosen(settings):
        return
    from runner.compression.distillation.settings import SELF, SWEEP  # most runs have no teacher

    name, teacher = f"distillation={chosen.get('distillation')}", settings.get("teacher")
    rounded = bool(config["quantization"].get("trains_program"))
    later = rounded or is_chosen(config["pruning"]) or is_chosen(config["factorization"])
    if teacher is None:
        yield (
            f"{name} needs a teacher: distillation.teacher=RUN_DIRECTORY of a trained run; or self, with "
            "pruning, factorization or quantization=qat. python -m runner -m sweep=distillation trains one first."
        )
    elif teacher == SELF and not later:
        yield (
            "distillation.teacher=self: a network has nothing to learn from itself as long as nothing is made of it. "
            "Add quantization=qat, factorization=low_rank or pruning=channel, or name a teacher's run directory."
        )
    elif teacher not in (SELF, SWEEP) and not Path(str(teacher)).exists():
        yield f"distillation.teacher={teacher}: there is no such run directory or file."
    if not settings.get("compares_layers"):
        return
    if rounded:
        yield (
            f"{name} quantization={chosen.get('quantization')}: rounding is trained in a captured program, which has "
            "no layers to compare. Use distillation=logits."
        )
    if str(teacher).endswith(".pt2"):
        yield (
            f"{name} distillation.teacher={teacher}: a program has no layers to compare. Use "
            "distillation=logits, or the run directory as the teacher."
        )


def check_rewinding(config: Config) -> Iterator[str]:
    """Yield a message unless weights are taken back to an epoch that there is."""
    epoch, epochs = config["pruning"].get("rewind_epoch"), config["trainer"].get("max_epochs")
    if isinstance(epoch, int) and isinstance(epochs, int) and epoch > epochs:
        yield f"pruning.rewind_epoch={epoch}: training has trainer.max_epochs={epochs} epochs; go back to one of them."
