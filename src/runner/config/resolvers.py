"""The interpolations that configurations use beside OmegaConf's own, such as `${run_directory:}`, and how they end."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, Node, OmegaConf, flag_override
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from runner.errors import RunnerError, chain

# Outside a run the interpolation stands for itself, so that a resolved config.yaml still holds it and a run
# directory that was moved is resumed where it now lies.
UNSET = "${run_directory:}"
# What else of the section `data` decides how a table is read.
TABLE_SETTINGS = (
    *("delimiter", "decimal", "thousands", "encoding", "header", "missing_values"),
    *("categorical", "date_format", "date_parts", "max_categories", "target_kind"),
)
_directory: ContextVar[str] = ContextVar("run_directory", default=UNSET)


@contextmanager
def run_directory(path: Path | None) -> Iterator[None]:
    """Within this context `${run_directory:}` is `path`; with None it stands for itself."""
    token = _directory.set(str(path or UNSET))
    try:
        yield
    finally:
        _directory.reset(token)


def register() -> None:
    """Make the interpolations known to OmegaConf; calling it again changes nothing."""
    table: dict[str, Callable[..., Any]] = {
        "run_directory": _directory.get,
        "stages": stages,
        "every_choice": every_choice,
        "remaining": remaining,
        "folder_classes": folder_classes,
        "box_classes": box_classes,
        "mask_classes": mask_classes,
        "text_classes": text_classes,
        "longest_text": longest_text,
        "of_weights": of_weights,
        "class_monitor": class_monitor,
        "class_monitor_mode": lambda monitor: "min" if str(monitor).endswith("/loss") else "max",
        "csv_features": remembered(csv_features),
        "csv_classes": remembered(csv_classes),
    }
    for name, function in table.items():
        OmegaConf.register_new_resolver(name, function, replace=True)


def stages(*compression: Sequence[str]) -> list[str]:
    """Return all stages of a run, given those that each kind of compression adds."""
    added = [stage for each in compression for stage in each]
    return ["fit", "test", *added, *(["export", "benchmark"] if added else [])]


def every_choice(group: str, sources: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the content of every file of a group by its name, the first found of each: ours, then the user's.

    Args:
        group: a group whose files stand for themselves (`export/format`).
        sources: Hydra's `runtime.config_sources`.
    """
    found: dict[str, Any] = {}
    for source in sources:
        if source["schema"] == "file":
            for path in sorted((Path(source["path"]) / group).glob("[!_]*.yaml")):
                found.setdefault(path.stem, copy.deepcopy(content(path, path.stat().st_mtime_ns)))
    return found


@cache
def content(path: Path, changed: int) -> Any:
    """Return what a YAML file says; read once until it has `changed` (ns), for a configuration asks several times."""
    return OmegaConf.to_container(OmegaConf.load(path))


def remaining(macs: float | None, ratio: float) -> float:
    """Return the share of a network that channel pruning leaves.

    Of multiply-accumulates, or of channels going in and out.
    """
    return 1 - macs if macs is not None else (1 - ratio) ** 2


def remembered(count: Callable[..., Any]) -> Callable[..., Any]:
    """`count(path, …, section)` that reads a file once: a configuration asks for the same count several times."""
    answers: dict[Any, Any] = {}

    def ask(path: str, *arguments: Any, _parent_: Any) -> Any:
        file = Path(path)
        state = (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None
        settings = {key: plain(_parent_.get(key)) for key in TABLE_SETTINGS}
        key = (str(file.resolve()), state, str(arguments), str(settings))
        if key not in answers:
            answers[key] = count(path, *arguments, settings)
        return answers[key]

    return ask


def plain(value: Any) -> Any:
    """Return a value of a configuration as plain Python."""
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def class_monitor(weights: Any, sampling: Any, usual: str) -> str:
    """Return the metric that decides which weights are kept: accuracy would undo what balances the classes."""
    return "val/balanced_accuracy" if weights is not None or sampling == "balanced" else usual


def of_weights(what: str, usual: Any, *, _parent_: Any, _root_: Any) -> Any:
    """Return the `mean`, `std` or `image_size` that the network's trained weights expect; `usual` where it has none."""
    model = _root_.get("model")
    if model is None or not (model.get("pretrained") or model.get("weights")):
        return usual
    from runner.models.weights.inputs import inputs_of

    asked = {key: model.get(key) for key in ("_target_", "name", "number", "pretrained", "weights") if key in model}
    found = inputs_of(asked)
    if found is None:
        return usual
    value = getattr(found.for_channels(_parent_.get("channels")), what)
    return list(value) if isinstance(value, tuple) else value


def folder_classes(root: str) -> int:
    """Return how many classes an image folder has; see `count_classes_in_folder`."""
    from runner.data.images.class_folders import count_classes_in_folder

    return count_classes_in_folder(root)


def box_classes(root: str) -> int:
    """Return how many classes the labels of boxes name; see `count_box_classes`."""
    from runner.data.images.detection.layouts import count_box_classes

    return count_box_classes(root)


def mask_classes(root: str) -> int:
    """Return how many classes masks have; see `count_mask_classes`."""
    from runner.data.images.segmentation.mask_layout import count_mask_classes

    return count_mask_classes(root)


def text_classes(root: str, text: str | None, label: str | None) -> int:
    """Return how many classes texts have; see `count_text_classes`."""
    from runner.data.sequences.labelled import count_text_classes

    return count_text_classes(root, text, label)


def longest_text(root: str, text: str | None, label: str | None) -> int:
    """Return the characters of the longest text; see `runner.data.sequences.labelled.longest_text`."""
    from runner.data.sequences import labelled

    return labelled.longest_text(root, text, label)


def csv_features(path: str, features: Sequence[str] | None, target: str, data: Mapping[str, Any]) -> int:
    """Return how many inputs a table's feature columns become; see `count_features`."""
    from runner.data.tables.columns import count_features

    return count_features(path, features, target, data)


def csv_classes(path: str, target: str, target_kind: str, data: Mapping[str, Any]) -> int | None:
    """Return how many classes a column of a table has; see `count_classes_in_column`."""
    from runner.data.tables.columns import count_classes_in_column

    return count_classes_in_column(path, target, target_kind, data)


def resolve(config: DictConfig) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the configuration resolved; what is missing or does not resolve is null in it and has a message.

    Returns:
        The plain configuration; messages that speak for themselves (mandatory values, files that are not there);
        messages about interpolations that lead nowhere.
    """
    told: list[str] = []
    unresolved: list[str] = []

    def plain(node: Any, prefix: str) -> Any:
        keys = list(node) if isinstance(node, DictConfig) else range(len(node))
        values = {str(key): value(node, key, f"{prefix}{key}") for key in keys}
        return values if isinstance(node, DictConfig) else list(values.values())

    def value(node: Any, key: Any, place: str) -> Any:
        try:
            if OmegaConf.is_missing(node, key):
                told.append(f"{place}=??? is mandatory: add {place}=… to the command.")
                return None
            child = node[key]
        except InterpolationToMissingValueError:
            return None  # the missing value has a message of its own
        except OmegaConfBaseException as error:
            if known := users_mistake(error):
                told.append(known)
            else:
                unresolved.append(dead_end(place, error))
            return None
        return plain(child, f"{place}.") if OmegaConf.is_config(child) else child

    return plain(config, ""), list(dict.fromkeys(told)), unresolved


def with_text_keys(node: Any) -> Any:
    """Return a copy of plain containers in which every key is a string."""
    if isinstance(node, dict):
        return {str(key): with_text_keys(value) for key, value in node.items()}
    return [with_text_keys(each) for each in node] if isinstance(node, list) else node


def users_mistake(error: BaseException | None) -> str | None:
    """Return the message of the RunnerError that a resolver raised, if one did: it speaks for itself."""
    return next((str(each) for each in chain(error) if isinstance(each, RunnerError)), None)


def dead_end(place: str, error: OmegaConfBaseException) -> str:
    """Return the message for an interpolation whose key does not exist."""
    advice = f" The chosen data does not declare what {place} reads." if "key 'data." in str(error) else ""
    return f"{place}: {str(error).splitlines()[0]}.{advice}"


def freeze(section: DictConfig | ListConfig, top: bool = True) -> None:
    """Replace what reads Hydra's node by its value, for that node is another one while the next job is composed."""
    keys = list(section) if isinstance(section, DictConfig) else list(range(len(section)))
    for key in keys:
        if top and key == "hydra":
            continue
        node = section._get_node(key)
        if isinstance(node, (DictConfig, ListConfig)) and not (
            node._is_none() or node._is_missing() or node._is_interpolation()
        ):
            freeze(node, top=False)
        elif (top and key == "name") or (isinstance(node, Node) and "${hydra:" in str(node._value())):
            with flag_override(section, ["readonly", "struct"], False):
                section[key] = section[key]
