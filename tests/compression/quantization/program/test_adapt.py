"""Shared layers and convolutions of sequences run in integers; what is compiled computes what is saved."""

import pytest
import torch
from torch import Tensor, nn

from runner.compression.quantization.program.adapt import adapted
from runner.compression.quantization.program.lower import CompiledProgram
from runner.compression.quantization.program.verify import prove
from runner.compression.quantization.recipes import DynamicRecipe, QATRecipe, StaticRecipe


class Again(nn.Module):
    """Runs its middle layer `times`, with a batch norm behind it each time where `norms` says so."""

    def __init__(self, times: int = 2, norms: bool = False) -> None:
        super().__init__()
        self.times = times
        self.stem, self.shared, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 2)
        self.norm = nn.BatchNorm2d(8) if norms else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.stem(inputs).relu()
        for _ in range(self.times):
            hidden = self.norm(self.shared(hidden)).relu()
        return self.head(hidden.mean(dim=(2, 3)))


class Perceptron(nn.Module):
    """A linear layer called twice, and one more that goes by two names."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.one = nn.Linear(16, 16), nn.Linear(16, 16)
        self.other = self.one

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.shared(self.shared(inputs).relu()).relu()
        return self.other(self.one(hidden).relu())


class Series(nn.Module):
    """Convolutions of sequences around a norm that looks at their length."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv1d(3, 8, 5, padding=1), norm, nn.Conv1d(8, 8, 3, groups=2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.second(self.norm(self.first(inputs)).relu()).flatten(1)


class Permuted(nn.Module):
    """Linear layers over the channels of images, which lie in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.second = nn.Conv2d(3, 8, 3), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(self.stem(inputs).relu().permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.second(hidden.softmax(-1).permute(0, 2, 3, 1)).mean(dim=(1, 2))


class Normed(nn.Module):
    """A linear layer over words, with a batch norm over all of them and a reshaping of its own behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(12, 8, bias=False), nn.BatchNorm1d(8), nn.Linear(8, 6)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)
        hidden = self.norm(hidden.flatten(0, 1)).reshape_as(hidden).relu()
        return self.second(hidden).reshape(len(inputs), 3, 2, 3).mean(dim=1)


IMAGES, ROWS, SERIES = (4, 3, 6, 6), (4, 16), (4, 3, 12)
STATIC, DYNAMIC, QAT = StaticRecipe(), DynamicRecipe(), QATRecipe()


@pytest.mark.parametrize(
    ("network", "shape", "recipe", "integer"),
    [
        (Again(3), IMAGES, STATIC, {"conv": 4, "linear": 1}),
        (Again(2, norms=True), IMAGES, QAT, {"conv": 3, "linear": 1}),
        (Perceptron(), ROWS, DYNAMIC, {"linear": 4}),
        (Series(nn.GroupNorm(2, 8)), SERIES, STATIC, {"conv": 2}),
        (Permuted(), IMAGES, STATIC, {"conv": 1, "linear": 2}),
        (Normed(), SERIES, DYNAMIC, {"linear": 2}),
        (Normed(), SERIES, QAT, {"linear": 2}),
    ],
    ids=[
        "called three times",
        "with its batch norm",
        "two names",
        "sequences",
        "permuted",
        "reshaped",
        "reshaped in training",
    ],
)
def test_every_call_runs_an_integer_kernel(network, shape, recipe, integer):
    inputs = torch.randn(shape)
    quantized = recipe.apply(network.eval(), [inputs], fine_tune=lambda prepared: None)
    ready = adapted(quantized.program)
    assert torch.allclose(ready(inputs), quantized(inputs), atol=1e-5)
    kernels = prove(CompiledProgram(quantized.program).trace_for(inputs), quantized.program)
    assert kernels.integer == integer
    assert kernels.floating == {}


def test_a_weight_is_saved_once_and_compiled_once_for_each_call():
    quantized = STATIC.apply(Again(3).eval(), [torch.randn(IMAGES)])

    def weights(graph: nn.Module) -> int:
        return sum(value.dtype == torch.int8 for value in graph.state_dict().values())

    assert weights(quantized.program) == 3
    assert weights(adapted(quantized.program)) == 3 + 2
    assert weights(quantized.program) == 3


def test_lengths_of_sequences_survive_every_norm():
    for norm in (nn.InstanceNorm1d(8), nn.LayerNorm(10), nn.BatchNorm1d(8)):
        quantized = STATIC.apply(Series(norm).eval(), [torch.randn(SERIES)])
        inputs = torch.randn(SERIES)
        assert torch.allclose(adapted(quantized.program)(inputs), quantized(inputs), atol=1e-5)
