"""The sharing recipe: k-means for each layer, so that a weight is an index into a table of few values."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from runner.compression.modules import place
from runner.compression.quantization.weights.base import WeightRecipe
from runner.compression.quantization.weights.layers import coded
from runner.compression.quantization.weights.network import WeightOnlyNetwork, bytes_of
from runner.compression.quantization.weights.replace import independent, replaceable, sharing_weights
from runner.compression.quantization.weights.settings import SharedWeightsRecipeSettings
from runner.compression.quantization.weights.shared import SharedWeight
from runner.compression.quantization.weights.weight_only import left_in_float, refuse_infinite


@dataclass(frozen=True)
class SharedWeightsRecipe(SharedWeightsRecipeSettings, WeightRecipe):
    """Linear and Conv2d weights of each layer share `clusters` values (Han et al., 2016, section 3)."""

    kind = "sharing"

    def check(self, network: nn.Module) -> None:
        """Raise RunnerError for a network that is quantized already, has no such layer to skip, or none left."""
        super().check(network)
        replaceable(network, self.skip)

    def make(self, network: nn.Module, batches: Iterable[Tensor]) -> WeightOnlyNetwork:
        """Return the network with shared weights; `network` stays as it was. Needs no data, and trains nothing.

        Raises:
            RunnerError: see `check`; weights that are not finite.
        """
        copied = sharing_weights(network)
        layers = replaceable(copied, self.skip)
        refuse_infinite(layers)
        few = []
        for name, layer in layers.items():
            weight = SharedWeight.of(layer.weight, self.clusters)
            few += [name] if len(weight.values) < self.clusters else []
            place(copied, layer, coded(layer, weight, "float32"))
        remarks = [f"Fewer than {self.clusters} values were needed by {', '.join(few)}"] if few else []
        if left := left_in_float(network, layers):
            remarks.append(f"Left in float: {', '.join(left)}")
        return WeightOnlyNetwork(
            independent(copied), self.kind, "kmeans", remarks, bytes_of(network), {"clusters": self.clusters}
        )
