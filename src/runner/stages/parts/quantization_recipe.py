"""The configured quantization recipe, with the back end of somebody else's that its configuration may name."""

from dataclasses import replace
from typing import Any

from runner.job.build import build, build_node


def quantization_recipe(settings: Any) -> Any:
    """Return the recipe of the section `quantization`.

    Raises:
        RunnerError: settings that mean nothing, or a class that is not allowed.
    """
    target = (settings.get("backend") or {}).get("_target_")
    recipe = build(settings, "recipe")
    if target is None:
        return recipe
    return replace(recipe, back_end=build_node({"_target_": target}, "quantization/backend"))
