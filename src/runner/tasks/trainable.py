"""Choice of the parameters that train: all, the output layer, the biases, or those matching patterns."""

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from runner.errors import RunnerError, nearest

WORDS = ("all", "head", "bias", "norm", "last_N")

LAST = re.compile(r"last_([1-9][0-9]*)")
NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


def freeze(network: nn.Module, trainable: str | Sequence[str]) -> None:
    """Leave `requires_grad` only to the chosen parameters.

    Args:
        trainable: `all` (changes nothing), `head` (the output layer), `bias` (all biases and the output layer:
            BitFit, Ben Zaken et al. 2022), `norm` (all normalisation and the output layer), `last_3` (the last three
            modules that hold parameters themselves), or patterns such as `features.4.*` that match parameter names.

    Raises:
        RunnerError: a pattern matches no parameter.
    """
    if trainable == "all":
        return
    chosen = choose(network, trainable)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in chosen)


def choose(network: nn.Module, trainable: str | Sequence[str], key: str = "task.trainable") -> set[str]:
    """Return the names of the parameters that `trainable` means; `key` is where it stands, for messages."""
    names = [name for name, _ in network.named_parameters()]
    if trainable == "all":
        return set(names)
    if trainable in ("head", "bias"):
        head = head_of(network)
        wanted = {name for name in names if name.startswith(f"{head}.") or not head}
        biases = {name for name in names if name.rsplit(".", 1)[-1].startswith("bias")}
        return wanted | biases if trainable == "bias" else wanted
    if trainable == "norm":
        norms = [name for name, module in network.named_modules() if isinstance(module, NORMS)]
        return {name for name in names if any(name.startswith(f"{place}.") for place in [head_of(network), *norms])}
    if isinstance(trainable, str) and (asked := LAST.fullmatch(trainable)):
        holders = [name for name, module in network.named_modules() if module._parameters]
        places, head = holders[-int(asked[1]) :], head_of(network)
        return {name for name in names if name.rpartition(".")[0] in places or name.startswith(f"{head}.")}
    patterns = [trainable] if isinstance(trainable, str) else list(trainable)
    return {name for pattern in patterns for name in matches(pattern, names, key)}


def matches(pattern: str, names: list[str], key: str = "task.trainable") -> list[str]:
    """Return the names that match; a module's name alone stands for everything in it."""
    found = [name for name in names if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]
    if not found:
        known = nearest(pattern.strip("*."), names) or names[:3]
        raise RunnerError(
            f"{key}: {pattern} matches no parameter of this network. Nearest names: {', '.join(known)}."
            + (f" Or choose one of {', '.join(WORDS)}." if key == "task.trainable" else "")
        )
    return found


def head_of(network: nn.Module) -> str:
    """Return the name of the output layer: the module called `head`, or the last one that holds parameters itself."""
    head = getattr(network, "head", None)
    if isinstance(head, nn.Module) and any(True for _ in head.parameters()):
        return "head"
    holders = [name for name, module in network.named_modules() if module._parameters]
    if not holders:
        raise RunnerError("task.trainable: this network has no parameters; use task.trainable=all.")
    return holders[-1]


def frozen_norms(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the batch normalisation layers none of whose parameters train."""
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if isinstance(module, _BatchNorm) and own and not any(parameter.requires_grad for parameter in own):
            yield module
