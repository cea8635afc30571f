"""A run's weights for other tools: safetensors, and a plain state_dict."""

import json
from pathlib import Path
from typing import Any

from runner.config.recorded import recorded_config
from runner.errors import RunnerError
from runner.job.assemble import read_weights
from runner.tracking import checkpoints, layout
from runner.tracking.links import refuse_links
from runner.tracking.run_directory import RunDirectory
from runner.tracking.weights.matching import State, inside
from runner.tracking.weights.written import write_safetensors, write_state

NAME = "weights"
# What networks of weights are called in a run's artifacts; files of no network have no name.
FLOAT = ("", "float", "pruned", "factorized")
# Changes of a network's layers, as a checkpoint names them, after which another tool has no network of that shape.
SHAPES = {"channels": "fewer channels", "low_rank": "factorized layers", "depthwise": "factorized convolutions"}


def export_weights(place: Path, output: Path | None) -> list[str]:
    """Write `weights.safetensors` and `weights.pt` of a run or a checkpoint; return what to tell about them.

    Both hold the float network's state dict and no more: names without a prefix, no optimizer, no task. The header of
    the safetensors file also holds the steps to the network's shape, with which `checkpoint=` makes it again.

    Raises:
        RunnerError: there are no weights, or they cannot be written.
    """
    source = source_of(place)
    if place.is_dir() and output is None:
        refuse_links(place)
    content = read_weights(source)
    state = network_of(content, source)
    folder = output or (place / layout.ARTIFACTS if place.is_dir() else place.parent)
    structure: list[dict[str, Any]] = [each for each in content.get("structure", []) if each.get("change") in SHAPES]
    header = {"structure": json.dumps(content["structure"])} if structure else {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{NAME}.safetensors", folder / f"{NAME}.pt"]
        write_safetensors(files[0], state, header)
        write_state(files[1], state)
    except OSError as error:
        raise RunnerError(f"{folder}: cannot be written ({error.strerror}). Choose another with --output.") from None
    numbers = sum(each.numel() for each in state.values())
    lines = [f"{len(state)} tensors, {numbers:,} numbers, from {source}", *(f"  {path}" for path in files)]
    if structure:
        what = ", ".join(dict.fromkeys(SHAPES[str(each["change"])] for each in structure))
        lines.append(f"It has {what}: other tools need a network of that shape; checkpoint={files[0]} makes it here.")
    if place.is_dir() and (state_now := RunDirectory(place).status.get("state")) != "done":
        lines.append(f"The run is {state_now}: these are its weights until now.")
    if place.is_dir() and (folders := quantized(place)):
        lines.append(f"These are the float weights; what was quantized lies in {folders}.")
    return lines


def source_of(place: Path) -> Path:
    """Return the file whose weights are meant: those that a run ended with, or began with where it trained nothing.

    Raises:
        RunnerError: there is none.
    """
    if place.is_file():
        return place
    if not (place / layout.CONFIG).is_file():
        raise RunnerError(f"{place}: there is no such run directory or checkpoint.")
    if found := checkpoints.final_checkpoint(place):
        return found
    with recorded_config(RunDirectory(place)) as config:
        if config.get("checkpoint") and "fit" not in config.stages:
            return checkpoints.find_checkpoint(config.checkpoint)
    raise RunnerError(f"{place}: kept no weights; train with callbacks=[checkpoint], which the default has.")


def network_of(content: dict[str, Any], source: Path) -> State:
    """Return the network's part of a checkpoint.

    Raises:
        RunnerError: it has none, or more than tensors.
    """
    import torch

    state = content.get("state_dict")
    found = inside(state, checkpoints.NETWORK) if isinstance(state, dict) else None
    if not found:
        raise RunnerError(f"{source}: not a checkpoint of this runner, so there is nothing to take its network from.")
    if strange := [name for name, each in found.items() if not isinstance(each, torch.Tensor)]:
        raise RunnerError(
            f"{source}: {strange[0]} is no tensor, which files of weights do not hold. Export the whole program: "
            "export.formats=[program]."
        )
    return found


def quantized(directory: Path) -> str:
    """Return where a run's quantized networks lie; empty where it has none."""
    artifacts = RunDirectory(directory).status.get("artifacts", {}).values()
    return ", ".join(each["path"] for each in artifacts if each.get("network", "") not in FLOAT)
