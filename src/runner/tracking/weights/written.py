"""Weights as files for other tools."""

import io
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from runner.files import write_bytes
from runner.tracking.weights.matching import State, versions, with_versions


def write_safetensors(path: Path, state: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Write tensors as a safetensors file, with texts in its header beside the `format` that libraries look for."""
    from safetensors.torch import save

    write_bytes(path, save(dict(own_memory(state)), {"format": "pt", **header}))


def write_state(path: Path, state: State) -> None:
    """Write a state dict as `torch.save(network.state_dict(), path)` does, versions of modules included."""
    file = io.BytesIO()
    torch.save(own_memory(state), file)
    write_bytes(path, file.getvalue())


def own_memory(state: Mapping[str, Tensor]) -> State:
    """Return a state dict in which every tensor has its memory to itself, as safetensors asks; tied weights twice."""
    copies = {name: each.detach().cpu().clone(memory_format=torch.contiguous_format) for name, each in state.items()}
    return with_versions(copies, versions(state))
