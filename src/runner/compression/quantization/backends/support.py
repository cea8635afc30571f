"""Which back end can do which recipe, and what it needs installed: a table, read without torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from runner.errors import RunnerError, did_you_mean, join_errors

RECIPES = ("static", "dynamic", "qat")
# What corrections can do for a recipe.
CORRECTIONS: dict[str, tuple[str, ...]] = {
    "static": ("equalize", "smooth", "adaround", "bias_correction"),
    "qat": ("equalize", "smooth"),
    "dynamic": (),
}


@dataclass(frozen=True)
class BackEnd:
    """What one quantizer can do.

    `recipes` it supports; `modules` that must be importable; `install` is the command that brings them;
    `activation_schemes` and `weight_granularities` it accepts; `observers` is False where the quantizer
    chooses its own; `lowering` names who runs the result; `operators` are the ATen operators it turns to
    integers. A back end is a subclass with `part`; one of somebody else's has a `name` as well, and the `_target_` of a
    file below `conf/quantization/backend` names it.
    """

    recipes: tuple[str, ...]
    lowering: str
    modules: tuple[str, ...] = ("torchao",)
    install: str = "pip install torchao"
    activation_schemes: tuple[str, ...] = ("affine", "symmetric")
    weight_granularities: tuple[str, ...] = ("per_channel", "per_tensor")
    observers: bool = True
    operators: tuple[str, ...] = ("conv1d", "conv2d", "linear")
    machines: tuple[str, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        return self.name

    def part(self, numerics: Any, recipe: str) -> Any:
        """Return its quantizer for the layers of one recipe, as a `part.Part`; torch is imported only here.

        Raises:
            RunnerError: a back end of the user's own that does not say what its quantizer is.
        """
        raise RunnerError(
            f"quantization/backend: {type(self).__name__} does not define part(numerics, recipe), which returns its "
            "quantizer. CONTRIBUTING.md shows a back end."
        )


@dataclass(frozen=True)
class Inductor(BackEnd):
    """Kernels of Inductor: torchao's quantizer for one kind of machine."""

    quantizer: str = "x86"

    def part(self, numerics: Any, recipe: str) -> Any:
        """Return torchao's quantizer."""
        from runner.compression.quantization.backends.inductor import inductor_part

        return inductor_part(self.quantizer, numerics, recipe)


class CustomLinear(BackEnd):
    """Linear layers by a quantizer of our own."""

    def part(self, numerics: Any, recipe: str) -> Any:
        """Return the quantizer."""
        from runner.compression.quantization.backends.custom_linear import linear_part

        return linear_part(numerics, recipe)


class XNNPACK(BackEnd):
    """Kernels of XNNPACK, run by ExecuTorch."""

    def part(self, numerics: Any, recipe: str) -> Any:
        """Return executorch's quantizer."""
        from runner.compression.quantization.backends.xnnpack import xnnpack_part

        return xnnpack_part(numerics, recipe)


class OpenVINO(BackEnd):
    """Kernels of OpenVINO."""

    def part(self, numerics: Any, recipe: str) -> Any:
        """Return executorch's quantizer for it."""
        from runner.compression.quantization.backends.openvino import openvino_part

        return openvino_part(numerics, recipe)


BACK_ENDS: dict[str, BackEnd] = {
    "x86_inductor": Inductor(RECIPES, "inductor", machines=("x86_64", "AMD64")),
    "arm_inductor": Inductor(
        RECIPES, "inductor", weight_granularities=("per_tensor",), machines=("aarch64", "arm64"), quantizer="arm"
    ),
    "custom_linear": CustomLinear(RECIPES, "inductor", operators=("linear",), machines=("x86_64", "AMD64")),
    "xnnpack": XNNPACK(
        RECIPES,
        "executorch",
        ("torchao", "executorch"),
        "pip install 'runner[executorch]'",
        ("affine",),
        operators=("conv2d", "linear"),
    ),
    "openvino": OpenVINO(
        ("static",),
        "openvino",
        ("torchao", "executorch", "openvino", "nncf"),
        "pip install 'runner[openvino]'",
        weight_granularities=("per_channel",),
        observers=False,
        operators=("conv1d", "conv2d", "conv3d", "linear", "matmul"),
    ),
    "xpu": Inductor(("static",), "inductor", weight_granularities=("per_channel",), quantizer="xpu"),
}


def back_end(name: str | BackEnd) -> BackEnd:
    """Return the table's row for `name`; RunnerError with the nearest names when there is none."""
    if isinstance(name, BackEnd):
        return name
    if name not in BACK_ENDS:
        known = ", ".join(BACK_ENDS)
        raise RunnerError(f"No quantization back end {name!r}.{did_you_mean(name, BACK_ENDS)} There are: {known}.")
    return BACK_ENDS[name]


def check(name: str | BackEnd, recipe: str) -> None:
    """Refuse, before any training, a back end that lacks its packages or cannot do `recipe`.

    All that is wrong is said at once: RunnerError with the recipes that work and the command that installs.
    """
    row, wrong = back_end(name), []
    if recipe not in row.recipes:
        others = [other for other, it in BACK_ENDS.items() if recipe in it.recipes]
        wrong.append(
            f"The back end {name} cannot do the recipe {recipe!r}; it can do: {', '.join(row.recipes)}."
            + (f" Back ends that do {recipe!r}: {', '.join(others)}." if others else f" Recipes: {', '.join(RECIPES)}.")
        )
    missing = [module for module in row.modules if find_spec(module) is None]
    if missing:
        wrong.append(f"The back end {name} needs {', '.join(missing)}, not installed here: {row.install}")
    if wrong:
        raise join_errors(wrong)


def check_mixture(recipe: str, per_layer: dict[str, str]) -> None:
    """Refuse per-layer recipes that cannot live in one program (QAT beside dynamic: torchao cannot place its nodes)."""
    kinds = {recipe, *per_layer.values()}
    unknown = kinds - {*RECIPES, "float"}
    if unknown:
        known = [*RECIPES, "float"]
        raise RunnerError(f"No recipe {sorted(unknown)[0]!r}; a layer's recipe is one of {', '.join(known)}.")
    if "qat" in kinds and len(kinds - {"float"}) > 1:
        raise RunnerError(
            "QAT cannot share a program with static or dynamic layers; give those layers 'float' (or skip "
            "them), "
            "or use the recipe 'static' or 'dynamic' for the whole network."
        )


def check_corrections(recipe: str, names: Iterable[str]) -> None:
    """Refuse corrections that mean nothing under `recipe`."""
    possible = CORRECTIONS[recipe]
    wrong = [name for name in names if name not in possible]
    if not wrong:
        return
    reason = {
        "dynamic": "a dynamic recipe measures ranges as values come, and has no calibrated rounding to correct",
        "qat": "fine-tuning under rounding moves the weights and biases that it would set",
    }.get(recipe, "")
    usable = f" Possible with {recipe}: {', '.join(possible)}." if possible else ""
    where = " and ".join(f"corrections.{name}" for name in wrong)
    raise RunnerError(f"{where}: {reason}.{usable} Leave it out, or use quantization=ptq_static.")
