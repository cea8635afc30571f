"""Proof that a program runs in integers: operators expected, reached, and kernels that came out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import nn
from torch.fx import GraphModule

from runner.compression.quantization.backends.quantizers import DYNAMIC
from runner.compression.quantization.backends.selection import FLOAT, recipe_of
from runner.compression.quantization.backends.support import BackEnd, back_end
from runner.compression.quantization.graph.operators import Operator, operators, quantized_operators
from runner.compression.quantization.program.lower import CompiledProgram
from runner.errors import RunnerError

INTEGER = {
    "qconv": "conv",
    "onednn.qconv": "conv",
    "qlinear": "linear",
    "onednn.qlinear": "linear",
    "int8.conv": "conv",
    "int8.linear": "linear",
    "int8.matmul": "matmul",
}
FLOATING = {
    "float.conv": "conv",
    "float.linear": "linear",
    "float.matmul": "matmul",
    "mkldnn._convolution": "conv",
    "aten.convolution": "conv",
    "mkldnn._linear": "linear",
    "mkl._mkl_linear": "linear",
    "aten.addmm": "linear",
    "aten.mm.": "linear",
    **dict.fromkeys(
        ("aten.bmm", "aten.baddbmm", "aten.addbmm", "aten.mv", "aten.addmv", "aten.dot", "aten.vdot"), "matmul"
    ),
    **dict.fromkeys(("aten._scaled_dot_product", "aten.scaled_dot_product", "flex_attention"), "attention"),
    **dict.fromkeys(("aten._native_multi_head_attention", "aten._transformer_encoder_layer_fwd"), "attention"),
    **dict.fromkeys(("recurrent.", "aten.mkldnn_rnn_layer", "aten.gru", "aten.lstm", "aten.rnn_"), "recurrent"),
    **dict.fromkeys(("cond", "while_loop", "scan", "associative_scan", "map_impl"), "control flow"),
}
# Operators of these compute element by element, move values about, or prepare weights; all others may multiply.
KNOWN = (
    *("aten.", "prims.", "prim.", "quantized_decomposed.", "torchao.", "inductor_prims.", "mkldnn.", "onednn.", "mkl."),
    *(
        "_c10d_functional.",
        "inductor.",
        "_inductor_test.",
        "higher_order.",
        "rng_prims.",
        "debugprims.",
        "float.",
        "int8.",
    ),
)


class FloatOperatorsError(RunnerError):
    """Operators stayed in float although they were to be int8; `layers`: whose they are, as far as is known."""

    def __init__(self, message: str, layers: Iterable[str]) -> None:
        super().__init__(message)
        self.layers = frozenset(layers)


@dataclass(frozen=True)
class Kernels:
    """Integer and float kernels of each type (conv, linear, …) that a compiled program runs, counted."""

    integer: dict[str, int]
    floating: dict[str, int]


@dataclass(frozen=True)
class Reach:
    """The operators a recipe should turn to integers, and the share of all MACs that it did turn (0 to 1).

    `unknown`: kinds of the operators whose MACs nobody can tell; with any, the share is an upper bound.
    """

    expected: int
    reached: int
    macs_share: float
    layers: tuple[str, ...]
    unknown: tuple[str, ...] = ()


def expect(captured: GraphModule, name: str | BackEnd, chosen: dict[str, str]) -> list[Operator]:
    """Return the operators of `captured` that back end `name` must reach under the resolved recipes `chosen`.

    RunnerError when there are none: the network would come out as it went in.
    """
    reach, found = back_end(name).operators, operators(captured)
    wanted = []
    for operator in found:
        recipe = recipe_of(operator.layer, chosen)
        within = operator.kind in reach and operator.suits_integers
        if recipe != FLOAT and within and (operator.kind in DYNAMIC or recipe != "dynamic"):
            wanted.append(operator)
    if not wanted:
        raise RunnerError(_nothing(found, name, chosen))
    return wanted


def reached(converted: GraphModule, expected: list[Operator]) -> Reach:
    """Return the operators turned to integers; RunnerError naming each expected operator that was not."""
    done = quantized_operators(converted)
    missed = Counter((it.layer, it.kind) for it in expected) - Counter((it.layer, it.kind) for it in done)
    if missed:
        names = ", ".join(f"{layer} ({kind})" for layer, kind in missed)
        raise FloatOperatorsError(
            f"{sum(missed.values())} of {len(expected)} operators that should be int8 stayed float: {names}. "
            f"{way_out({layer for layer, _ in missed})}",
            {layer for layer, _ in missed},
        )
    everything = operators(converted)
    total = sum(operator.macs or 0 for operator in everything)
    share = sum(operator.macs or 0 for operator in done) / total if total else 0.0
    unknown = tuple(sorted({operator.kind for operator in everything if operator.macs is None}))
    return Reach(len(expected), len(done), share, tuple(operator.layer for operator in done), unknown)


def way_out(layers: Iterable[str]) -> str:
    """Return the sentence that says how to go on without integers in `layers`."""
    return f"Leave them in float on purpose with quantization.skip={listed(layers)}, or choose another back end."


def listed(layers: Iterable[str]) -> str:
    """Return names as a list on the command line takes them."""
    return f"[{','.join(sorted(layers)) or 'LAYER'}]"


def refuse_recurrent(network: nn.Module) -> None:
    """Raise RunnerError where recurrent cells of torch are all that holds weights: told before training."""
    holders = [module for module in network.modules() if module._parameters]
    if holders and all(isinstance(module, (nn.RNNBase, nn.RNNCellBase)) for module in holders):
        raise RunnerError(
            f"quantization: {type(network).__name__} is made of {type(holders[0]).__name__} alone, and no back end has "
            "integer kernels for recurrent cells. Networks with linear layers can be quantized, recurrent ones too "
            "(model=embedding_rnn, gru or lstm with quantization=ptq_dynamic); or use quantization=none."
        )


def prove(program: CompiledProgram, converted: GraphModule) -> Kernels:
    """Return `prove_integers` for a lowered `converted`, as compiled for its first batch size (compile first)."""
    return prove_integers(next(iter(program.kernels.values())), converted, "After lowering", program.layers)


def prove_integers(
    names: Counter[str], converted: GraphModule, where: str, layers: Mapping[str, set[str]] | None = None
) -> Kernels:
    """Return the kernels that came out of lowering; RunnerError when fewer are integer than operators were quantized.

    Lowering matches patterns; what doesn't match runs in float after dequantizing, slower than before and silently.
    `names` counts operator types (see `lower.kernel_names`); `where` begins the message; `layers`: whom each serves.
    """
    kernels = Kernels(_by_type(names, INTEGER), _by_type(names, FLOATING) | _unknown(names))
    quantized = quantized_operators(converted)
    wanted = Counter(_of_kernel(it.kind) for it in quantized)
    short = {kind: count - kernels.integer.get(kind, 0) for kind, count in wanted.items()}
    lacking = {kind: missing for kind, missing in short.items() if missing > 0}
    if lacking:
        counts = " and ".join(f"{missing} of {wanted[kind]} {kind}" for kind, missing in lacking.items())
        floating = {layer for name, held in (layers or {}).items() if _kinds(name, FLOATING) for layer in held}
        blamed = {it.layer for it in quantized if it.layer in floating and _of_kernel(it.kind) in lacking}
        whose = f": {', '.join(sorted(blamed))}" if blamed else ""
        raise FloatOperatorsError(
            f"{where}: {counts} operators still run in float although they were quantized{whose}. {way_out(blamed)}",
            blamed,
        )
    return kernels


def _of_kernel(kind: str) -> str:
    return "conv" if kind.startswith("conv") else kind


def described(counts: dict[str, int]) -> str:
    """Return `2 conv, 1 linear`, or `none`."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"


def _by_type(names: Counter[str], table: dict[str, str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for name, count in names.items():
        kinds = _kinds(name, table)
        found.update({kinds[0]: count} if kinds else {})
    return dict(found)


def _kinds(name: str, table: dict[str, str]) -> list[str]:
    return [kind for start, kind in table.items() if name.startswith(start)]


def _unknown(names: Counter[str]) -> dict[str, int]:
    """Return the kernels of somebody else's, which nothing is known of but that they don't run in our integers."""
    others = {name: count for name, count in names.items() if "." in name and not name.startswith(("<", *KNOWN))}
    floating = {name: count for name, count in others.items() if not _kinds(name, FLOATING | INTEGER)}
    return {f"{name.removesuffix('.default')} (unknown)": count for name, count in floating.items()}


def _nothing(found: list[Operator], name: str | BackEnd, chosen: dict[str, str]) -> str:
    kinds = ", ".join(sorted({operator.kind for operator in found})) or "no convolution or matrix product at all"
    recipes = {*chosen.values()} - {FLOAT}
    serves = {operator.kind for operator in found} & {*back_end(name).operators}
    if not serves:
        reach = ", ".join(back_end(name).operators)
        return f"Nothing to quantize by any recipe: {name} has integer kernels for {reach}; this network has {kinds}."
    if recipes == {"dynamic"}:
        return (
            "The recipe 'dynamic' finds nothing to quantize: it serves linear layers, and outside the "
            f"skipped ones this network has {kinds}. (Dynamic convolutions would run in float, only slower.) "
            "Use the recipe 'static' or 'qat'."
        )
    reach = ", ".join(back_end(name).operators)
    return f"Nothing to quantize: {name} reaches {reach}; the layers not skipped have {kinds}."
