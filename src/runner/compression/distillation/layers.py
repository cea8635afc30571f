"""Outputs of layers: recorded in a single run, or tapped for as long as a network trains."""

import copy
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.fx import GraphModule

from runner.compression.network import ModelCall
from runner.errors import RunnerError, did_you_mean
from runner.measure import nested
from runner.measure.nested import Nested


class Tap:
    """A forward hook that keeps what its layer gave last, where gradients are recorded.

    A copy of a tapped network, as weight averaging makes it, brings empty taps of its own.
    """

    def __init__(self) -> None:
        self.features: Tensor | None = None

    def __call__(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if torch.is_grad_enabled():
            self.features = output

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tap":
        memo[id(self)] = tap = Tap()
        return tap

    def take(self) -> Tensor:
        """Return the outputs kept, and let go of them and of the training step's graph."""
        features, self.features = self.features, None
        assert features is not None, "the student has not answered since it was last asked for its features"
        return features


Features = dict[str, Tensor]


def run(network: nn.Module, inputs: Any, call: ModelCall, names: Iterable[str] = ()) -> tuple[Nested, Features]:
    """Return the outputs of `recorded` for a copy of `network` in evaluation mode; the network itself stays."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]), recorded(copied := probe(network), names) as given:
        outputs = call(copied, nested.to(inputs, device_of(network)))
    return outputs, given


@contextmanager
def recorded(network: nn.Module, names: Iterable[str]) -> Iterator[Features]:
    """Yield the outputs of these layers within this context, in the order in which they finish, if single tensors."""
    given: Features = {}
    handles = [network.get_submodule(name).register_forward_hook(keeper(name, given)) for name in names]
    try:
        yield given
    finally:
        for handle in handles:
            handle.remove()


def keeper(name: str, given: Features) -> Any:
    """Return a hook that puts a layer's output, if it is one tensor, at the end of `given`."""

    def keep(module: nn.Module, arguments: Any, output: Any) -> None:
        given.pop(name, None)
        if isinstance(output, Tensor):
            given[name] = output

    return keep


def survey(network: nn.Module, example: Any, call: ModelCall) -> dict[str, torch.Size]:
    """Return the shapes (N, …) of all that lies inside a network, in the order in which it is computed.

    What the network gives in the end is not inside it, whichever layer it comes from.
    """
    outputs, given = run(network, example, call, [name for name, _ in network.named_modules() if name])
    end = {each.untyped_storage().data_ptr() for each in nested.tensors(outputs)}
    return {name: each.shape for name, each in given.items() if each.untyped_storage().data_ptr() not in end}


def probe(network: nn.Module) -> nn.Module:
    """Return a copy to try things on, in evaluation mode."""
    network = copy.deepcopy(network)
    try:
        return network.eval()
    except NotImplementedError:  # a program of torch.export was captured in one mode and refuses to hear of another
        return network


def device_of(network: nn.Module) -> torch.device:
    """Return the device of a network's first parameter or buffer; the CPU where it has none."""
    held = itertools.chain(network.parameters(), network.buffers())
    return next((each.device for each in held), torch.device("cpu"))


def is_captured(network: nn.Module) -> bool:
    """Return whether a network is, or holds, a graph of single operations, as torch.export makes it: without layers."""
    graphs = (module.graph for module in network.modules() if isinstance(module, GraphModule))
    return any(isinstance(node.target, OpOverload) for graph in graphs for node in graph.nodes)


def refuse_captured(network: nn.Module, who: str, kind: str) -> None:
    """Raise RunnerError where there are no layers to look at."""
    if is_captured(network):
        raise RunnerError(
            f"distillation={kind} compares layers, and the {who} is a captured program, which has none with a name. "
            "Use distillation=logits, which needs outputs only."
        )


def check_names(names: Iterable[str], shapes: dict[str, torch.Size], network: nn.Module, who: str) -> None:
    """Raise RunnerError for layers that a network lacks, or that give it no single tensor inside."""
    known = dict(network.named_modules())
    for name in names:
        if name in shapes:
            continue
        if name in known and name:
            raise RunnerError(
                f"distillation.layers: {name} of the {who} gives no single tensor inside the network; choose another, "
                f"for example {next(reversed(shapes), 'one that runs')}."
            )
        near = did_you_mean(name, shapes) or f" Its layers: {', '.join(list(shapes)[:12])}."
        raise RunnerError(f"distillation.layers: the {who} ({type(network).__name__}) has no layer {name!r}.{near}")
