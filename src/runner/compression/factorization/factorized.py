"""Factorized: what a factorization gives back, and what its methods share: layers that may change, and a last check."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from runner.compression.modules import matches, unknown
from runner.compression.network import ModelCall, is_quantized
from runner.errors import RunnerError, join_errors


@dataclass(frozen=True)
class Row:
    """Outcome for one layer.

    Attributes:
        rank: channels between the two layers it became (for each input channel, where it became depthwise); 0 where it
            stayed.
        before, after: its parameters.
        error: the Frobenius norm of what its weights lost, over that of its weights; 0 where it stayed.
        stays: why it stayed; empty where it did not.
    """

    layer: str
    rank: int
    before: int
    after: int
    error: float
    stays: str = ""


@dataclass(frozen=True)
class Factorized:
    """A factorized network.

    Attributes:
        network: a changed copy.
        steps: how to make its shape again from the network that it came from: plain values for a checkpoint; see
            `runner.compression.files.rebuild`.
        rows: one for each layer that the method looks at.
    """

    network: nn.Module
    steps: list[dict[str, Any]]
    rows: list[Row]


def candidates(network: nn.Module, kinds: tuple[type[nn.Module], ...], skip: Sequence[str]) -> dict[str, str]:
    """Return the layers of these types, each with the reason why it must stay; empty where it need not.

    A subclass is left out: it may do more than its type says.

    Raises:
        RunnerError: a quantized network, or a name in `skip` that matches nothing.
    """
    if is_quantized(network):
        raise RunnerError(
            f"The network ({type(network).__name__}) is quantized already; factorize comes before compress: "
            "stages=[…, factorize, test, compress, test]."
        )
    matched = {pattern: matches(pattern, network) for pattern in skip}
    if wrong := [f"factorization.skip: {unknown(pattern, network)}" for pattern, names in matched.items() if not names]:
        raise join_errors(wrong)
    skipped = set().union(*matched.values()) if matched else set()
    owners = sharing(network)
    found: dict[str, str] = {}
    for name, module in network.named_modules():
        if type(module) in kinds and name:
            shared = [other for other in owners[id(module.weight)] if other != name]
            found[name] = f"shares its weights with {shared[0]}" if shared else ""
            if any(name == each or name.startswith(f"{each}.") for each in skipped):
                found[name] = "skipped"
    return found


def check(network: nn.Module, kinds: tuple[type[nn.Module], ...], skip: Sequence[str]) -> None:
    """Raise RunnerError for what `candidates` refuses, and where every layer of these types, if any, must stay."""
    reasons = candidates(network, kinds, skip)
    rows = [kept(name, network.get_submodule(name), reason) for name, reason in reasons.items()]
    refuse_unchanged(rows, network, "Leave the stage factorize out (factorization=none).")


def sharing(network: nn.Module) -> dict[int, list[str]]:
    """Return the layers that hold each parameter, by its id."""
    owners: dict[int, list[str]] = {}
    for name, module in network.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    return owners


def size_of(module: nn.Module) -> int:
    """Return the number of its parameters."""
    return sum(each.numel() for each in module.parameters())


def kept(name: str, layer: nn.Module, reason: str) -> Row:
    """Return the row of a layer that stays."""
    return Row(name, 0, size_of(layer), size_of(layer), 0.0, reason)


def refuse_unchanged(rows: Sequence[Row], network: nn.Module, advice: str) -> None:
    """Raise RunnerError with every layer's reason where none was factorized."""
    if all(row.stays for row in rows):
        reasons = "; ".join(f"{row.layer}: {row.stays}" for row in rows[:6]) or "it has no layer of this kind"
        raise RunnerError(f"Nothing in {type(network).__name__} was factorized ({reasons}). {advice}")


def filled(new: nn.Sequential, halves: Sequence[Tensor], bias: Tensor | None) -> nn.Sequential:
    """Return `new`, two layers in one's place, with these weights (in any shape) and the bias of that one."""
    with torch.no_grad():
        for part, values in zip(new, halves, strict=True):
            weight = part.get_parameter("weight")
            weight.copy_(values.reshape(weight.shape))
        if bias is not None:
            new[1].get_parameter("bias").copy_(bias)
    return new


def check_answers(network: nn.Module, example: Any, call: ModelCall, rows: Sequence[Row]) -> None:
    """Raise RunnerError where the changed network cannot answer, because some module reads the weights of another."""
    try:
        with torch.no_grad():
            call(network, example)
    except AttributeError as error:
        changed = ", ".join(row.layer for row in rows if not row.stays)
        raise RunnerError(
            f"{type(network).__name__} does not only call its layers, but reads their weights ({error}); such layers "
            f"cannot be factorized. Leave them out with factorization.skip. Factorized were: {changed}."
        ) from error
