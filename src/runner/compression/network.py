"""A compressed network, how a network is called, and whether one is quantized already."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.fx import GraphModule

from runner.errors import RunnerError
from runner.measure.nested import Nested

# Not quantized; ranges known beforehand; measured as they come; some layers this way, some that.
FLOAT, STATIC, DYNAMIC, BOTH = KINDS = ("float", "static", "dynamic", "static and dynamic")
# Weights in few bits, or the whole network in another number format.
WEIGHTS = "weight-only"
# Modules of these packages stand in quantized networks only.
OWN = "runner.compression.quantization."


def kind_of(recipes: set[str]) -> str:
    """Return the kind of program that layers of these recipes (static, dynamic, qat, float) make together."""
    if "dynamic" not in recipes:
        return STATIC
    return BOTH if recipes & {"static", "qat"} else DYNAMIC


ModelCall = Callable[[nn.Module, Any], Nested]
Evaluate = Callable[[nn.Module], float]


def call_model(network: nn.Module, inputs: Nested) -> Nested:
    """Return the outputs of a network that takes its inputs as they are."""
    return network(inputs)


def is_quantized(network: nn.Module) -> bool:
    """Return whether quantize nodes, observers or quantized weights are found anywhere in `network`."""
    for module in network.modules():
        name = type(module).__module__
        if name.startswith(("torchao.", "torch.ao.", OWN)):
            return True
        if isinstance(module, GraphModule):
            targets = (str(node.target) for node in module.graph.nodes if node.op == "call_function")
            if any(target.startswith(("quantized_decomposed.", "torchao.")) for target in targets):
                return True
    return any(type(parameter).__module__.startswith("torchao.") for parameter in network.parameters())


def refuse_quantized(network: nn.Module) -> None:
    """RunnerError when `network` holds quantized layers already: quantizing twice loses accuracy and gains nothing."""
    if is_quantized(network):
        raise RunnerError(
            f"The network ({type(network).__name__}) is quantized already; quantize the float network it "
            f"came from, "
            "for instance with checkpoint=RUN_DIRECTORY of the training run."
        )


@dataclass(frozen=True)
class Step:
    """One correction: what it did, and the output's SQNR in dB (and the metric, where there is one) before and after.

    Measured on the last calibration batch, which rounding and biases were not learned from where there are several.
    """

    name: str
    done: str
    before_sqnr_db: float
    after_sqnr_db: float
    before_metric: float | None = None
    after_metric: float | None = None


class CompressedNetwork(nn.Module, ABC):
    """Answers `forward` like the network it came from, in inference only; it stays in inference mode.

    Attributes:
        title: names its files and its rows in tables: int8, int4, bf16.
        recipe: how it was made: static, dynamic, qat, weight, …
        corrections: what was done to it beforehand, so that rounding harms less, and what each brought.
        compiled: what this machine runs in its place, once `lower` was called; None before, and where it cannot.
    """

    title: str
    recipe: str
    corrections: tuple[Step, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.compiled: nn.Module | None = None
        self.training = False

    @property
    @abstractmethod
    def program(self) -> nn.Module:
        """What is saved: a module that torch.export takes, answering inputs (N, …)."""

    @property
    def details(self) -> dict[str, Any]:
        """What its file says of it, as plain values."""
        return {"recipe": self.recipe}

    @property
    def unfolds(self) -> bool:
        """Whether compiling makes float weights of the stored ones once, and keeps them."""
        return False

    @property
    def eager(self) -> nn.Module | None:
        """The network that runs without being compiled, where that is worth timing: it keeps its weights stored."""
        return None

    @property
    def can_lower(self) -> bool:
        """Whether this machine can compile it; otherwise it runs as it is, and is lowered elsewhere."""
        return True

    @abstractmethod
    def lower(self, inputs: Nested | None = None) -> "CompressedNetwork":
        """Compile it for the batch size of `inputs` (N, …); raises RunnerError where it would not run as promised."""

    @abstractmethod
    def proof(self) -> tuple[dict[str, float], str]:
        """Return what became of the network: metrics by name (below `compressed/`), and the same in one line."""

    def train(self, mode: bool = True) -> "CompressedNetwork":
        """Stay in inference mode."""
        return self
