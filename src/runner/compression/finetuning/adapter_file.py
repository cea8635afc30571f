"""An adapter alone in two files: its tensors, and what it is and of which base."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from runner.compression.constraints import SettingsError, mistakes
from runner.compression.finetuning.adapters import base_parameters, merge, rebuild, trained_state
from runner.compression.finetuning.layers import choose
from runner.compression.finetuning.settings import AdaptersSettings
from runner.errors import RunnerError
from runner.files import write_bytes, write_json

TENSORS, DESCRIPTION = "adapter.safetensors", "adapter.json"
# A description is a few lines; a longer one is none.
LONGEST = 10**7


@dataclass
class AdapterDescription:
    """What `adapter.json` holds.

    Attributes:
        base: the name of the network that it was trained on.
        base_sha256: of the weights that stayed; see `digest`.
        tensors_sha256: of the file of tensors.
        head: the name of the output layer, which was trained as a whole.
        settings: of `Adapters`, with the full names of its layers.
    """

    base: str
    base_sha256: str
    tensors_sha256: str
    head: str
    settings: dict  # type: ignore[type-arg]


def digest(parameters: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, shapes, types and values, in the order of the names."""
    found = hashlib.sha256()
    for name, tensor in sorted(parameters.items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def save_adapter(network: nn.Module, step: Mapping[str, Any], base: str, folder: Path) -> list[Path]:
    """Write the adapter in `network`, which `step` describes, into `folder`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    content = save({name: each.cpu().contiguous().clone() for name, each in trained_state(network).items()})
    settings = {key: value for key, value in step.items() if key not in ("change", "head")}
    described = AdapterDescription(
        base,
        digest(base_parameters(network, step["layers"], step["head"])),
        hashlib.sha256(content).hexdigest(),
        step["head"],
        settings,
    )
    write_bytes(folder / TENSORS, content)
    write_json(folder / DESCRIPTION, vars(described))
    return [folder / TENSORS, folder / DESCRIPTION]


def load_adapter(network: nn.Module, folder: Path) -> None:
    """Put the adapter of a folder on its base and merge it, in place.

    Raises:
        RunnerError: files are missing or damaged, or the network is not the adapter's base.
    """
    described, content = read(folder)
    head, own = described.head, AdaptersSettings(**described.settings)
    other = RunnerError(
        f"{folder}: the adapter is of another base: it was trained on {described.base} with other weights. Choose "
        "that network with the weights that it had (model.pretrained, model.weights or checkpoint=)."
    )
    trains = {name: each.requires_grad for name, each in network.named_parameters()}
    try:
        choose(network, replace(own, layers=[escaped(name) for name in own.layers]), head)
    except RunnerError:
        raise other from None
    rebuild(network, head=head, **asdict(own))
    if digest(base_parameters(network, own.layers, head)) != described.base_sha256:
        raise other
    wanted, given = trained_state(network), load(content)
    wrong = [name for name in wanted.keys() | given.keys() if shape(wanted, name) != shape(given, name)]
    if wrong:
        merge(network)
        raise RunnerError(f"{folder}: does not fit this network: {', '.join(sorted(wrong)[:3])}.")
    network.load_state_dict({**network.state_dict(), **given})
    merge(network)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(trains[name])


def read(folder: Path) -> tuple[AdapterDescription, bytes]:
    """Return what a folder says of its adapter, and the tensors' bytes, which are what was written.

    Raises:
        RunnerError: files are missing or damaged.
    """
    try:
        text, content = (folder / DESCRIPTION).read_bytes()[:LONGEST], (folder / TENSORS).read_bytes()
    except OSError as error:
        raise RunnerError(
            f"finetune.adapter={folder}: holds no adapter: {TENSORS} and {DESCRIPTION} cannot be read "
            f"({error.strerror}). A run with finetune=lora writes them into its folder adapter/."
        ) from None
    try:
        values = json.loads(text)
        described = AdapterDescription(**values)
        if wrong := mistakes(AdapterDescription, values):
            raise ValueError("; ".join(wrong))
        AdaptersSettings(**described.settings)
        if hashlib.sha256(content).hexdigest() != described.tensors_sha256:
            raise ValueError(f"{TENSORS} is not what was written")
        load(content)
    except (ValueError, TypeError, SettingsError, SafetensorError, RecursionError) as error:
        raise RunnerError(f"{folder}: the adapter is damaged ({error}).") from None
    return described, content


def escaped(name: str) -> str:
    """Return a name as a pattern that means it alone."""
    return name.replace("[", "[[]")


def shape(state: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    """Return the shape of a tensor, None where there is no such."""
    return tuple(state[name].shape) if name in state else None
