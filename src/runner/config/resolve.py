"""A composed configuration as plain containers, with a message for every value that is missing or leads nowhere."""

from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from runner.errors import RunnerError, chain


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
