"""Files that hold what follows the network, too: they answer with boxes in place of raw maps."""

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from runner.compression.files.program import export_program
from runner.compression.network import CompressedNetwork
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.errors import RunnerError
from runner.measure.boxes import iou
from runner.measure.nested import Nested
from runner.tasks.base import Task

# A box of a file is the network's where they overlap so far and their scores differ by no more.
LEAST_IOU, SCORES = 0.99, 0.01
# Share of the network's boxes that a file must have: integers are rounded in other places.
LEAST_SHARE = 0.95
# Images that files are compared on.
IMAGES = 16


class WithBoxes(nn.Module):
    """A network and what its outputs mean: inputs to detections (N, most, 6)."""

    def __init__(self, network: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.network, self.decoder = network, decoder

    def forward(self, inputs: Nested) -> Tensor:
        """Return the detections."""
        found: Tensor = self.decoder(self.network(inputs))
        return found


def decoder_of(task: Task, network: nn.Module, example: Nested) -> nn.Module:
    """Return what makes boxes of the network's outputs, on the CPU.

    Raises:
        RunnerError: this task's outputs need none.
    """
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        decoder = task.decoder(network(example))
    if decoder is None:
        raise RunnerError(
            f"export.decode=true: {type(task).__name__} has no boxes that would have to be made of the network's "
            "outputs; leave it out."
        )
    return decoder.cpu().eval()


def with_decoder(
    network: nn.Module, compressed: CompressedNetwork | None, decoder: nn.Module, example: Nested
) -> tuple[nn.Module, CompressedNetwork | None]:
    """Return both with the decoder behind them."""
    whole = WithBoxes(network, decoder).eval()
    if not isinstance(compressed, QuantizedNetwork):
        return whole, compressed
    program = export_program(WithBoxes(compressed.program, decoder), example).module(check_guards=False)
    assert isinstance(program, GraphModule)
    made = (compressed.prepared, compressed.example, compressed.reach, compressed.recipe, compressed.back_end)
    return whole, QuantizedNetwork(program, *made)


def equal_boxes(wanted: Tensor, got: Tensor, least: float) -> float:
    """Return the share of the boxes `wanted` (N, most, 6) that are among `got`, class, place and score; 1 of none.

    Those whose score is within `SCORES` of `least` may be missing.
    """
    found = total = 0
    for mine, theirs in zip(wanted, got, strict=True):
        mine = mine[(mine[:, 5] >= 0) & (mine[:, 4] >= least + SCORES)]
        near = iou(mine[:, None, :4], theirs[:, :4]) >= LEAST_IOU
        alike = (mine[:, None, 5] == theirs[:, 5]) & ((mine[:, None, 4] - theirs[:, 4]).abs() <= SCORES)
        found += int((near & alike).any(1).sum())
        total += len(mine)
    return found / total if total else 1.0
