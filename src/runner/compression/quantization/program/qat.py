"""Quantization-aware training: a fake-quantized network that an ordinary training loop can train."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn
from torch.fx import GraphModule
from torchao.quantization.pt2e import FakeQuantizeBase, FusedMovingAvgObsFakeQuantize, ObserverBase
from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e

from runner.compression.network import Step
from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.backends.quantizers import SelectiveQuantizer
from runner.compression.quantization.backends.ranges import (
    LearnedRange,
    SharedMovingAverage,
    SharedMovingAverageFakeQuantize,
    count_places,
    learned_ranges,
)
from runner.compression.quantization.graph import modes
from runner.compression.quantization.graph.editing import copy_graph
from runner.compression.quantization.graph.operators import Operator
from runner.compression.quantization.program.calibrate import calibrate
from runner.compression.quantization.program.convert import convert
from runner.compression.quantization.program.norms import (
    KeepFloatNorms,
    fold_batch_norms,
    quick_fusion,
    restore_float_norms,
)
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested
from runner.measure.structure import restore

_RECIPE = "recipe_hash"


class FakeQuantizedNetwork(nn.Module):
    """A network whose forward pass rounds as the int8 program will; parameters stay float32 and trainable.

    `train()`, `eval()` and assigning `.training` (Lightning's way back from validation) all switch the graph:
    batch norm, dropout, and the observers, which watch in training only, so that validation data does not
    leak into the ranges. Copies made with copy.deepcopy behave the same. `state_dict` carries a hash of the
    recipe; loading into a network prepared in another way is refused. Checkpoints load into a network
    prepared again in the same way.
    """

    def __init__(
        self,
        graph: GraphModule,
        constants: dict[str, modes.BatchNormConstants],
        example: Nested,
        recipe: dict[str, Any],
    ) -> None:
        super().__init__()
        self.graph = graph
        self.constants = constants
        self.recipe_hash = hash_recipe(recipe)
        self.expected: list[Operator] = []
        self.corrections: tuple[Step, ...] = ()
        self.observing = True
        self.norms_training = True
        self._structure = nested.describe(example)
        self._example_names = nested.names(example, "sample")
        for name, tensor in zip(self._example_names, nested.tensors(example), strict=True):
            self.register_buffer(name, tensor[:2].clone(), persistent=False)
        self.least_scales = least_scales(graph)
        self.register_load_state_dict_post_hook(keep_least_scales)  # type: ignore[no-untyped-call]
        self.train()

    def forward(self, inputs: Nested) -> Any:
        """Return the captured network's outputs for `inputs` (N, …), rounded as in int8."""
        return self.graph(inputs)

    @property
    def example(self) -> Nested:
        """Two samples of the inputs, on the device of the network."""
        return restore(self._structure, (self.get_buffer(name) for name in self._example_names))

    @property
    def training(self) -> bool:
        """The mode; setting it switches the graph, because Lightning restores modes by assignment alone."""
        return self.__dict__.get("_mode", True)

    @training.setter
    def training(self, mode: bool) -> None:
        self.__dict__["_mode"] = bool(mode)
        if "_modules" in self.__dict__ and "graph" in self._modules:
            self._switch()

    def train(self, mode: bool = True) -> "FakeQuantizedNetwork":
        """Set training or inference mode; the exported graph inside refuses `train()` itself (pytorch#151726)."""
        self.training = mode
        return self

    def follow_schedule(self, epoch: int, observers_after: int | None, batch_norm_after: int | None) -> None:
        """Freeze what is due at the start of `epoch` (from 0); None never freezes. Safe to call again on resume."""
        self.observing = observers_after is None or epoch < observers_after
        self.norms_training = batch_norm_after is None or epoch < batch_norm_after
        self._switch()

    def learn_ranges(self) -> None:
        """Hand the ranges over to the optimizer (LSQ); call once they are initialised, before building it."""
        for module in learned_ranges(self.graph):
            module.enable_range_learning()

    def convert(self) -> GraphModule:
        """Return the int8 program of the network as it stands, which can go on training afterwards."""
        return convert(self.frozen(), self.example)

    def frozen(self) -> GraphModule:
        """Return a copy of the fake-quantized graph in inference mode, batch norm folded into the convolutions."""
        graph = copy_graph(self.graph)
        modes.set_training(graph, False)
        fold_batch_norms(graph, self.constants)
        return graph

    def _switch(self) -> None:
        modes.set_training(self.graph, self.training, self.norms_training)
        watching = self.training and self.observing
        for module in self.graph.modules():
            if isinstance(module, SharedMovingAverage):
                module.begin_pass()
            if isinstance(module, FakeQuantizeBase) and not getattr(module, "learning_enabled", [0])[0]:
                module.enable_observer(watching)
                if not self.training:
                    settle_range(module)
        for module in learned_ranges(self.graph):
            if module.learning_enabled[0]:
                module.learn(self.observing)

    def get_extra_state(self) -> dict[str, str]:
        """Return the recipe's hash, kept beside the weights."""
        return {_RECIPE: self.recipe_hash}

    def set_extra_state(self, state: dict[str, str]) -> None:
        """Refuse weights of another recipe (RunnerError)."""
        if state.get(_RECIPE) != self.recipe_hash:
            raise RunnerError(
                "The checkpoint was fine-tuned under another quantization recipe "
                f"({state.get(_RECIPE)}, this one is {self.recipe_hash}); resume with the settings of "
                f"that run."
            )


def prepare_qat(
    graph: GraphModule,
    quantizer: SelectiveQuantizer,
    example: Nested,
    batches: Iterable[Nested] = (),
    numerics: Numerics | None = None,
    corrections: tuple[str, ...] = (),
) -> FakeQuantizedNetwork:
    """Return a captured `graph` with fake quantizers, its batch-norm constants and dropout rate kept.

    `example` is an input batch (N, …); `batches`, if any, initialise the ranges in inference mode, so that
    the first epoch doesn't start from ranges of a single batch (and learned ranges exist before the optimizer
    is built). `corrections`: names of those already made in `graph`; weights fine-tuned without them don't fit.
    """
    constants = modes.batch_norm_constants(graph)
    with quick_fusion():
        prepared = prepare_qat_pt2e(graph, KeepFloatNorms(quantizer))
    restore_float_norms(prepared)
    modes.restore_batch_norm(prepared, constants)
    modes.set_training(prepared, False)
    count_places(prepared)
    batches = list(batches) or [example]
    calibrate(prepared, batches, example)
    recipe = {"numerics": asdict(numerics or Numerics()), "layers": sorted(quantizer.chosen.items())}
    recipe |= {"corrections": corrections} if corrections else {}
    network = FakeQuantizedNetwork(prepared, constants, example, recipe)
    network.learn_ranges()
    return network


def least_scales(graph: GraphModule) -> dict[str, float]:
    """Return the smallest scale that each observer gives, by the observer's name."""
    observers = ((name, module) for name, module in graph.named_modules() if isinstance(module, ObserverBase))
    return {name: float(module.eps) for name, module in observers if hasattr(module, "eps")}


def keep_least_scales(network: nn.Module, *rest: Any) -> None:
    """Keep the smallest scales, which torchao's observers change while loading.

    Without the version numbers that a plain dictionary of weights lacks, they take their smallest scale for an older
    one and set it to 1.2e-7.
    """
    assert isinstance(network, FakeQuantizedNetwork)
    for name, value in network.least_scales.items():
        network.graph.get_submodule(name).eps.fill_(value)  # type: ignore[operator]


def settle_range(quantizer: FakeQuantizeBase) -> None:
    """Round from now on as conversion will, by the observer's range.

    The scale kept beside it need not agree: averaged weights bring an averaged scale and the newest zero point.
    Fused and learning quantizers work it out in every forward pass.
    """
    observer: Any = getattr(quantizer, "activation_post_process", None)
    apart = isinstance(quantizer, SharedMovingAverageFakeQuantize) and quantizer.shared
    if isinstance(quantizer, (FusedMovingAvgObsFakeQuantize, LearnedRange)) and not apart:
        return
    if not hasattr(observer, "min_val"):
        return
    if unseen_range(observer.min_val):
        return
    scale, zero_point = quantizer.calculate_qparams()
    quantizer.scale.data.resize_(scale.shape).copy_(scale)
    quantizer.zero_point.data.resize_(zero_point.shape).copy_(zero_point)


def unseen_range(low: Tensor) -> bool:
    """Return whether an observer has seen no data yet."""
    return low.numel() == 0 or bool(low.isinf().any())


def hash_recipe(recipe: dict[str, Any]) -> str:
    """Return twelve hexadecimal digits that two recipes share when they prepare a network in the same way."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, default=str).encode()).hexdigest()[:12]
