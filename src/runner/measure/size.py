"""How large a network is: bytes on disk, parameters, multiply-accumulates, peak memory."""

import resource
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def bytes_on_disk(path: Path) -> int:
    """Bytes of the file at `path`, or of all files below it."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def parameters(network: nn.Module) -> int:
    """How many numbers the parameters of `network` hold."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, example: Tensor) -> int:
    """Multiply-accumulates for one sample of `example` (N, ...): half of what torch counts as FLOPs."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(example[:1])
    return counter.get_total_flops() // 2


def peak_memory() -> int:
    """The most bytes of memory this process has held since it started (Linux counts in KiB, macOS in
    bytes)."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
