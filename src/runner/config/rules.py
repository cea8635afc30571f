"""The rules across fields and groups: which network takes which data, which stages need what; what Hydra refuses."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from runner.compression.constraints import show
from runner.config.catalog import Known
from runner.config.schema import SECTIONS, SETTINGS, Config
from runner.config.sections import RunSection
from runner.errors import did_you_mean

# Kinds of data whose targets say where something is.
PLACED = ("detection", "instances", "segmentation")
# Of these, kinds whose objects may all be of one class.
OBJECTS = ("detection", "instances")
# A run is made of these; only an unusual command line can leave one out.
NEEDED = ("model", "data", "task", "optimizer", "trainer")
# What a user's YAML can bring Hydra and OmegaConf to raise.
REFUSALS = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError)
# Where the classes of tracking services are.
SERVICE = "runner.tracking.services."


@cache
def stage_names() -> tuple[str, ...]:
    """Return the stages: one for each file of `runner/stages`."""
    folder = Path(__file__).resolve().parents[1] / "stages"
    return tuple(sorted(path.stem for path in folder.glob("[!_]*.py")))


def check_sections(config: Config) -> Iterator[str]:
    """Yield a message unless what every run needs is there, and sections are sections."""
    for section in NEEDED:
        if not isinstance(config.get(section), dict):
            yield absence(section, config.get(section))
    for section in ("runner", "cross_validation", "expected"):
        if not isinstance(config.get(section), dict):
            yield f"{section}={show(config.get(section))}: must be a section; override its keys: {section}.key=value."
    for section in ("scheduler", "callbacks", "logger"):
        if not isinstance(config.get(section) or {}, dict):
            yield f"{section}={show(config.get(section))}: must be a section. See: python -m runner list {section}"


def check_loggers(config: Config) -> Iterator[str]:
    """Yield a message where a service's package is not installed, and where two loggers would do the same."""
    known: dict[str, str] = {}
    for name, node in (config.get("logger") or {}).items():
        target = str(node.get("_target_")) if isinstance(node, dict) else ""
        if target.startswith(SERVICE):
            from runner.tracking.services.packages import SERVICES, lacking

            service = target.removeprefix(SERVICE).split(".")[0]
            if service in SERVICES and (missing := lacking(*SERVICES[service], service)):
                yield f"logger={name}: {missing}"
        settings = str(sorted(node.items(), key=str)) if isinstance(node, dict) else ""
        if settings and (other := known.setdefault(settings, name)) != name:
            yield f"logger.{name}: is the same as logger.{other}. Leave one of them out."


def absence(section: str, value: Any) -> str:
    """Return the message about a section without which no run can be."""
    return f"{section}={show(value)}: a run needs one. See: python -m runner list {section}"


def unknown_keys(config: Config, catalog: Known) -> Iterator[str]:
    """Yield a message for every top-level key that nothing reads; an experiment file can bring them in unnoticed."""
    known = {*RunSection.__dataclass_fields__, *SECTIONS, *SETTINGS, *catalog} - {""}
    names = ", ".join(sorted(known))
    for key in config:
        if key not in known:
            yield f"{key}: there is no such section or key.{did_you_mean(key, known)} Known: {names}."


def check_numbers(config: Config, good: Collection[int] = ()) -> Iterator[str]:
    """Yield a message where values are no numbers (nan), which no comparison with a bound finds.

    Args:
        good: ids of sections that were found to be right before.
    """
    if keys := list(nans(config, "", good)):
        yield f"{', '.join(keys)}: nan is no number. Give one, or leave {'it' if len(keys) == 1 else 'them'} out."


def nans(node: Any, key: str, good: Collection[int]) -> Iterator[str]:
    """Yield the keys of what is no number in a configuration."""
    if isinstance(node, dict):
        if id(node) not in good:
            for name, value in node.items():
                yield from nans(value, f"{key}.{name}" if key else str(name), good)
    elif isinstance(node, list):
        if any(isinstance(each, float) and math.isnan(each) for each in node):
            yield key
        for index, value in enumerate(node):
            if isinstance(value, (dict, list)):
                yield from nans(value, f"{key}.{index}", good)
    elif isinstance(node, float) and math.isnan(node):
        yield key


def check_stages(config: Config) -> Iterator[str]:
    """Yield a message unless stages exist, are not empty, have weights to work on and a network that they can."""
    stages, known = config["stages"], stage_names()
    held = config["runner"].get("hold")
    for stage in held if isinstance(held, list) else []:
        if stage not in known:
            yield f"runner.hold: there is no stage {stage}; known: {', '.join(known)}.{did_you_mean(str(stage), known)}"
    if not isinstance(stages, list):
        return  # its type has a message of its own
    unknown = [str(stage) for stage in stages if stage not in known]
    for stage in unknown:
        yield f"stages: there is no stage {stage}; known: {', '.join(known)}.{did_you_mean(stage, known)}"
    if not stages:
        yield f"stages=[] leaves nothing to do; choose from {', '.join(known)}."
    elif not unknown and not {"fit", "cross_validate", "overfit"} & set(stages) and not has_weights(config):
        yield (
            f"stages=[{','.join(map(str, stages))}] needs trained weights: "
            "add checkpoint=RUN_DIRECTORY (or a .ckpt file), or put fit first."
        )
    unable: Any = config["model"].get("refuses") or {}
    yield from (f"The stage {stage}: {unable[stage]}" for stage in stages if stage in unable)
    if "cross_validate" in stages and not config["cross_validation"]["folds"]:
        yield "The stage cross_validate needs cross_validation.folds=5 or another number."


def has_weights(config: Config) -> bool:
    """Return whether the network starts trained: from a checkpoint, or pretrained by its library."""
    model = config["model"]
    return bool(config["checkpoint"] or model.get("weights") or model.get("pretrained"))


def check_pair(config: Config, chosen: Mapping[str, str], catalog: Known) -> Iterator[str]:
    """Yield the networks that do unless this one takes this kind of data and suits this task."""
    model, data, task = config["model"], config["data"], config["task"]
    pair = f"model={chosen.get('model')} data={chosen.get('data')}"
    takes, tasks = model.get("takes"), model.get("tasks")
    if takes and data.get("kind") not in takes:
        yield (
            f"{pair}: this network takes {' or '.join(takes)} data, not {data.get('kind')}. "
            f"Networks that take it: {', '.join(suitable(catalog, data.get('kind'), task['name']))}."
        )
    elif tasks and task["name"] not in tasks and (networks := suitable(catalog, data.get("kind"), task["name"])):
        yield (
            f"{pair} task={task['name']}: this network is for {' or '.join(tasks)}. "
            f"Networks that suit: {', '.join(networks)}."
        )  # where none suits, the task does not suit the data, which `check_task` says


def check_sampling(config: Config, chosen: Mapping[str, str]) -> Iterator[str]:
    """Yield a message unless sampling layer by layer has a network of as many layers that takes its estimates."""
    data, model = config["data"], config["model"]
    if not data.get("estimates_layers"):
        return
    strategy = f"data/sampling={chosen.get('data/sampling')}"
    sizes, layers = (data.get("sampling") or {}).get("sizes"), model.get("num_layers")
    if not model.get("propagates"):
        yield (
            f"{strategy} model={chosen.get('model')}: estimates sums over neighbours layer by layer, and this network "
            "does not take the estimates. Use model=gcn, or data/sampling=neighbor."
        )
    elif isinstance(sizes, list) and len(sizes) != layers:
        yield f"data.sampling.sizes={sizes}: needs one number for each of the network's {layers} layers."


def check_balance(config: Config, chosen: Mapping[str, str]) -> Iterator[str]:
    """Yield a message where rare classes would count twice, or where rows can't be drawn class by class."""
    data, weights = config["data"], config["task"].get("class_weights")
    if data.get("sampling") != "balanced":
        return
    if data.get("kind") == "graph":
        yield (
            f"data.sampling=balanced data={chosen.get('data')}: batches are parts of one graph, which no drawing of "
            "nodes balances. Use task.class_weights=balanced."
        )
    elif weights == "balanced":
        yield (
            "data.sampling=balanced task.class_weights=balanced: rare classes would count twice, once by being drawn "
            "more often. Choose one of both."
        )


def check_augmentation(config: Config, chosen: Mapping[str, str]) -> Iterator[str]:
    """Yield a message where images would be changed in a way that their targets cannot follow."""
    data, augmentation = config["data"], config["data"].get("augmentation")
    if not isinstance(augmentation, dict):
        return
    pair, placed = f"augmentation={chosen.get('augmentation')} data={chosen.get('data')}", data.get("kind") in PLACED
    if augmentation.get("mix") and placed:
        yield (f"{pair}: mixup and cutmix blend classes, and these targets are places. Use augmentation.mosaic=0.5.")
    if augmentation.get("mosaic") and not placed:
        yield (
            f"augmentation.mosaic data={chosen.get('data')}: puts four images together, whose class would not be one; "
            "it is for boxes and masks. Use augmentation=cutmix."
        )
    if augmentation.get("pca") and data.get("channels") == 1:
        yield f"augmentation.pca data={chosen.get('data')}: is for images of red, green and blue, and these are grey."


def suitable(catalog: Known, kind: Any, task: str) -> list[str]:
    """Return names of the networks whose YAML declares that they take this kind of data and suit this task."""
    from runner.config.resolvers import content  # most runs suit

    names = []
    for name, choice in catalog.get("model", {}).items():
        declared = content(choice.path, choice.path.stat().st_mtime_ns)
        if kind in (declared.get("takes") or [kind]) and task in (declared.get("tasks") or [task]):
            names.append(name)
    return names


def data_of(catalog: Known, kinds: list[Any]) -> list[str]:
    """Return names of the data whose YAML declares one of these kinds."""
    from runner.config.resolvers import content  # most runs suit

    data = catalog.get("data", {}).items()
    return [name for name, each in data if content(each.path, each.path.stat().st_mtime_ns).get("kind") in kinds]


def check_task(config: Config, chosen: Mapping[str, str], catalog: Known) -> Iterator[str]:
    """Yield a message unless the data yields what the task predicts."""
    task, data, name = config["task"]["name"], config["data"], chosen.get("data")
    classes = data.get("num_classes")
    if task not in (data.get("tasks") or [task]):
        yield f"task={task} data={name}: the targets of this data are for {' or '.join(data['tasks'])}."
        return
    if data.get("kind") not in (config["task"].get("takes") or [data.get("kind")]):
        takes = config["task"]["takes"]
        yield (
            f"task={task} data={name}: this task is for {' or '.join(takes)} data, not {data.get('kind')}. "
            f"Data that suit: {', '.join(data_of(catalog, takes))}."
        )
        return
    if "num_classes" in data and classes is None and task != "regression":
        return  # the count could not be found, and the reason has a message of its own
    if classes == 1 and data.get("kind") not in OBJECTS:
        yield f"data={name} data.num_classes=1: there must be at least two classes to tell apart."
    elif task == "binary_classification" and classes != 2:
        yield f"task=binary_classification data={name}: needs data of two classes, this has {classes or 'none'}."
    if task == "classification" and not classes:
        yield f"task=classification data={name}: this data has no classes; use task=regression."
    if task == "regression" and not data.get("num_targets"):
        yield f"task=regression data={name}: this data has no numbers to predict; use task=classification."


def refusal(error: Exception, known: Known) -> str:
    """Hydra's or OmegaConf's complaint about a configuration, with the way out where we know it."""
    text = " ".join(str(error).split("\nAvailable options")[0].split()) or type(error).__name__
    if twice := re.search(r"Multiple values for ([\w/]+)", text):
        group = twice.group(1)
        return f"{group} is chosen already: write {group}=… without +."
    if unknown := re.search(r"Could not override '([\w/]+@[\w.]+)'", text):
        return f"{unknown.group(1)}: there is no such group or key.{did_you_mean(unknown.group(1), known)}"
    if listed := re.search(r"Could not delete '([\w/]+)'\. No match", text):
        return f"~{listed.group(1)}: nothing is chosen there by that name; {listed.group(1)}=[] leaves all of it out."
    if absent := re.search(r"Could not find '([\w/]+)/([^/']+)'", text):
        group, name = absent.groups()
        return f"{text}.{did_you_mean(name, known.get(group, ()))} See: python -m runner list {group}"
    if unresolved := re.search(r"Error resolving interpolation '(.*)', possible interpolation keys: (.*)", text):
        absent_groups = {*re.findall(r"\$\{(\w+)\}", unresolved.group(1))} - {*unresolved.group(2).split(", ")}
        return "\n".join(absence(group, None) for group in sorted(absent_groups)) or text
    text = re.sub(r" ?(To append to your config use|Either remove) .*", "", text)
    return f"The configuration does not compose: {text}"
