"""What weight recipes return: a network whose layers keep their weights in few bits."""

from collections import Counter
from typing import Any

import torch
from torch import nn

from runner.compression.network import CompressedNetwork
from runner.compression.quantization.weights.casting import Casting
from runner.compression.quantization.weights.layers import CodedLayer, IntegerLinear
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested

UNFOLDED = (
    "Compiled, float products make their weights once and keep them: packed on disk, but as large and as fast as float"
)


class WeightOnlyNetwork(CompressedNetwork):
    """Answers `forward` like the network it came from, without gradients, and stays in evaluation mode.

    Attributes:
        network: the module with the coded layers; torch.export takes it, with any batch size.
        remarks: sentences that a user should know: groups that are shorter, layers left in float, kernels that run.
        dense_bytes: what parameters and buffers took before.
        settings: of the recipe, as plain values.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: str,
        title: str,
        remarks: list[str],
        dense_bytes: int,
        settings: dict[str, Any],
    ) -> None:
        super().__init__()
        self.network = network.eval()
        self.recipe, self.title, self.remarks = recipe, title, remarks
        self.dense_bytes, self.settings = dense_bytes, settings

    def forward(self, inputs: Nested) -> Any:
        """Return the outputs for `inputs` (N, …), any N, without gradients."""
        if self.compiled is not None:
            return self.compiled(inputs)
        with torch.no_grad():
            return self.network(inputs)

    @property
    def program(self) -> nn.Module:
        """See CompressedNetwork.program."""
        return self.network

    @property
    def details(self) -> dict[str, Any]:
        """The recipe and its settings."""
        return {"recipe": self.recipe, "title": self.title, **self.settings}

    @property
    def bytes(self) -> int:
        """What parameters and buffers take in memory."""
        return bytes_of(self.network)

    def lower(self, inputs: Nested | None = None) -> "WeightOnlyNetwork":
        """Compile for the batch size of `inputs` (N, …).

        Raises:
            RunnerError: integer products that the compiled program does not have.
        """
        from runner.compression.quantization.program.lower import CompiledProgram

        assert inputs is not None
        if isinstance(self.network, Casting):  # a compiled program casts by itself, to float32 unless told otherwise
            compiled = CompiledProgram(self.network.network, self.network.dtype).compile_for(inputs)
        else:
            compiled = CompiledProgram(self.network).compile_for(inputs)
        wanted = sum(isinstance(module, IntegerLinear) for module in self.network.modules())
        found = sum(
            count
            for name, count in compiled.kernels[nested.samples(inputs)].items()
            if "_int_mm" in name or "qlinear" in name
        )
        if found < wanted:
            raise RunnerError(f"After lowering {wanted - found} of {wanted} int8 products run in float.")
        self.compiled = compiled
        return self

    def proof(self) -> tuple[dict[str, float], str]:
        """Return how many layers are coded and what they take in memory, and what computes them."""
        kernels = Counter(layer.kernel for layer in self.coded_layers)
        metrics = {
            "coded_layers": float(len(self.coded_layers)),
            "memory_bytes": float(self.bytes),
            "share_of_float_memory": self.bytes / self.dense_bytes,
        }
        how = ", ".join(f"{count} computed by {kernel}" for kernel, count in kernels.items())
        coded = f"{len(self.coded_layers)} layers coded, {how}; " if how else ""
        share = f"{self.bytes / self.dense_bytes:.1%} of before"
        line = f"{self.title}: {coded}{self.bytes:,} bytes in memory, {share}"
        told = [UNFOLDED] if self.compiled is not None and CodedLayer.kernel in kernels else []
        return metrics, ". ".join([line, *self.remarks, *told])

    @property
    def eager(self) -> nn.Module:
        """The module with the coded layers."""
        return self.network

    @property
    def unfolds(self) -> bool:
        """Whether all coded layers multiply float weights, made from their codes: what compiling does once for all."""
        return {layer.kernel for layer in self.coded_layers} == {CodedLayer.kernel}

    @property
    def coded_layers(self) -> list[CodedLayer]:
        """The layers whose weights are coded."""
        return [module for module in self.network.modules() if isinstance(module, CodedLayer)]


def bytes_of(network: nn.Module) -> int:
    """Return bytes of all parameters and buffers, shared ones once."""
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
