"""What `resume` may change of a run that has begun, and what follows from it in the whole configuration."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from runner.compression.methods import METHODS
from runner.config import catalog, overrides
from runner.config.compose import Composer, raise_all
from runner.config.overrides import Override
from runner.errors import RunnerError
from runner.tracking.identity import CONTENT, MACHINE_SETTINGS, flatten

# Sections of the training itself.
TRAINING = ("trainer", "optimizer", "scheduler", "callbacks", "augmentation")
# Sections of single stages, by stage; as long as it is not done they may change.
STAGES = {"benchmark": "benchmark", "export": "export", **{each.group: each.stage for each in METHODS if each.stage}}
# Of the training, what the state that goes on was made for.
STATE = (
    r"_target_|_partial_",
    r"trainer\.(precision|accumulate_grad_batches|strategy|overfit_batches)",
    r"optimizer\.(amsgrad|centered|maximize)",
    r"scheduler\.(interval|monitor|mode)",
    r"callbacks\.checkpoint(\..*)?",
    r"callbacks\.\w+",
    r"callbacks\.\w+\.(monitor|mode)",
)
MISSING = object()


@dataclass(frozen=True)
class SettingChange:
    """A setting that is another one from now on; `before` is None where there was none."""

    before: Any
    after: Any


Changes = dict[str, SettingChange]


def changes_of(
    config: DictConfig,
    begun: Sequence[str],
    texts: Sequence[str],
    done: Sequence[str],
    config_dir: str | None,
    place: str,
) -> Changes:
    """Return every setting of a run that these overrides change, what follows from them included.

    Args:
        config: the run's own, resolved.
        begun: the overrides that the run began with.
        done: the stages that stay as they are.
        place: the run directory, for messages.

    Raises:
        RunnerError: mistakes of the command line, or settings that a run that has begun keeps.
    """
    parsed, mistakes = overrides.parse(texts)
    composer = Composer(catalog.config_directories(config_dir))
    mistakes += [f"{each.text}: several values are a sweep; a run goes on with one." for each in parsed if each.sweeps]
    mistakes += [why for each in parsed if not each.sweeps and (why := refusal(each, composer, done, place))]
    raise_all(mistakes)
    given = {each.key for each in parsed}
    first = [each for each in overrides.parse(own(begun))[0] if not each.sweeps]
    # Where things lie now; the command that began the run may name places that are gone.
    moved = [each for each in parsed if of_the_machine(each.key)]
    gone = {each.key for each in moved}
    before = composed(composer, [*(each for each in first if each.key not in gone), *moved], place)
    after = composed(composer, [*(each for each in first if each.key not in given), *parsed], "")
    recorded = flatten(plain(config))
    refuse_other_data(recorded, after)
    found = {key: value for key, value in after.items() if before.get(key, MISSING) != value or key in given}
    changed = {
        key: SettingChange(recorded.get(key), value)
        for key, value in found.items()
        if recorded.get(key, MISSING) != value and key not in ("name", CONTENT)
    }
    follows = [key for key in changed if kept(key, done)]
    raise_all([f"{key} follows from these changes, and a run that has begun keeps it." for key in follows])
    refuse_other_state(changed)
    return changed


def refuse_other_data(recorded: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise RunnerError where the data holds something else than when the run began."""
    if recorded.get(CONTENT) is not None and after.get(CONTENT) not in (None, recorded[CONTENT]):
        raise RunnerError(
            f"data.root={after.get('data.root')}: is other data than this run began with (content {recorded[CONTENT]}, "
            f"there {after[CONTENT]}). A run keeps its data; start another from its weights with checkpoint=…"
        )


def refuse_other_state(changed: Changes) -> None:
    """Raise RunnerError for settings that the optimizer's state can't follow."""
    for key in ("optimizer.weight_decay", "optimizer.momentum"):
        if key in changed and bool(changed[key].before) != bool(changed[key].after):
            raise RunnerError(
                f"{key}: from {changed[key].before} to {changed[key].after} the optimizer's state has another form. "
                "Give a value that is not 0 in place of one that is not, or start another run with checkpoint=…"
            )


def own(texts: Sequence[str]) -> list[str]:
    """Return overrides without those of Hydra's own, which say where the run lies."""
    return [text for text in texts if not text.lstrip("+~").startswith(("hydra.", "hydra/", "hydra=", "hydra@"))]


def composed(composer: Composer, parsed: Sequence[Override], place: str) -> dict[str, Any]:
    """Return the configuration that overrides make, by dotted keys; `place` is told where they make none any more."""
    made, mistakes = composer.compose(parsed)
    if mistakes and place:
        told = " ".join(mistakes)
        raise RunnerError(
            f"{place}: the command that began it does not work any more ({told}), so its settings can't change. Where "
            "data lies elsewhere now add data.root=…; choices in a directory of your own need --config-dir."
        )
    raise_all(mistakes)
    assert made is not None  # there would be a mistake
    return flatten(made.plain)


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a configuration as plain containers."""
    from omegaconf import OmegaConf

    values: Any = OmegaConf.to_container(config, resolve=True)
    return dict(values)


def refusal(override: Override, composer: Composer, done: Sequence[str], place: str) -> str | None:
    """Return why an override can't change a run that has begun; None where it can, or where there is no such key."""
    key, text = override.key, override.text
    way_out = f"Start another run from its weights: python -m runner checkpoint={place} {text}"
    if override.mark == "~":
        return f"{text}: a run that has begun keeps its settings; give one another value. {way_out}"
    if overrides.is_choice(override, composer.known):
        mistaken = bool(overrides.choice_mistakes(override, composer.known))  # which has a message of its own
        return None if mistaken else f"{text}: a run that has begun keeps its {key}. {way_out}"
    section = key.partition(".")[0]
    if section in STAGES and STAGES[section] in done:
        return f"{text}: the stage {STAGES[section]} is done. {way_out} stages=[{STAGES[section]},test]"
    if section == "hydra":
        return f"{text}: says where runs lie; this one goes on where it is."
    if kept(key, done) and known(key, composer):
        return f"{text}: a run that has begun keeps it. {way_out}"
    return None


def known(key: str, composer: Composer) -> bool:
    """Return whether a key begins with a section or a key of the runs' configuration; others are typing errors."""
    made, _ = composer.apply([])
    return made is None or key.partition(".")[0] in made.config


def kept(key: str, done: Sequence[str]) -> bool:
    """Return whether a run that has begun keeps a setting."""
    if of_the_machine(key) or key == "name":
        return False
    section = key.partition(".")[0]
    if section in STAGES:
        return STAGES[section] in done
    if section == "data" and key.startswith("data.augmentation."):
        return False  # the data's own copy of the section
    return section not in TRAINING or any(re.fullmatch(each, key) or key.endswith("._target_") for each in STATE)


def of_the_machine(key: str) -> bool:
    """Return whether a setting says where a run runs, not what it is."""
    return any(key == each or key.startswith(f"{each}.") for each in MACHINE_SETTINGS)


def of_the_training(changes: Mapping[str, SettingChange]) -> Changes:
    """Return the changes that decide how training goes on."""
    sections = (*TRAINING, "data")
    return {key: each for key, each in changes.items() if key.partition(".")[0] in sections and not of_the_machine(key)}
