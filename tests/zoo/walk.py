"""One network through every recipe: whether a run lets it through, what becomes int8, and how near it comes."""

import copy
import hashlib
import time
import traceback
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from runner.compression.quantization.backends.observers import Numerics
from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.graph.editing import value_of
from runner.compression.quantization.graph.interpreter import Reading
from runner.compression.quantization.program.lower import CompiledProgram
from runner.compression.quantization.program.network import QuantizedNetwork
from runner.compression.quantization.program.qat import FakeQuantizedNetwork
from runner.compression.quantization.program.verify import prove
from runner.compression.quantization.recipes import DynamicRecipe, QATRecipe, Recipe, StaticRecipe, quantize_captured
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.error import sqnr
from tests.zoo import ENOUGH, Member
from tests.zoo.network import images, lively

# Eight bits on any machine: what is compared runs operator by operator, so that no product can overflow.
_RECIPES: dict[str, Recipe] = {
    "ptq_static": StaticRecipe(numerics=Numerics(reduce_range=False)),
    "qat": QATRecipe(numerics=Numerics(activation_observer="moving_average", reduce_range=False)),
    "ptq_dynamic": DynamicRecipe(numerics=Numerics(reduce_range=False)),
}


class Walk:
    """A member of the zoo, built, settled and captured once for all recipes."""

    def __init__(self, member: Member) -> None:
        torch.manual_seed(0)
        self.network = lively(member)
        self.seen, self.fresh = images(member.size), images(member.size)
        self._proven: set[str] = set()

    @cached_property
    def captured(self) -> GraphModule:
        """The network as a graph; recipes use copies up."""
        return capture(self.network, self.seen)

    def row(self, name: str) -> dict[str, Any]:
        """Return what became of one recipe: outcome (works, inexact, refused, failed), why, dB, share of int8 work."""
        try:
            program = self._quantized(name)
            self._prove(program.program)
        except Exception as error:
            return self._told_before(name, error)
        db = sqnr(self._floating(program, name), program(self.fresh))
        found = {"sqnr_db": round(db, 1), "share": program.reach.macs_share, "operators": program.reach.reached}
        return {"outcome": "works" if db >= ENOUGH else "inexact", "why": "", **found}

    def _quantized(self, name: str) -> QuantizedNetwork:
        recipe, captured = _RECIPES[name], copy.deepcopy(self.captured)
        if not isinstance(recipe, QATRecipe):
            return quantize_captured(recipe, self.network, captured, [self.seen])
        prepared = recipe.prepare(self.network, [self.seen], captured=captured)
        one_step(prepared, self.seen)
        return recipe.finish(prepared)

    def _prove(self, program: GraphModule) -> None:
        """Trace which kernels Inductor makes of `program`, as the preflight does; once for programs of one structure.

        RunnerError where one that should be an integer kernel isn't.
        """
        key = structure(program)
        if key not in self._proven:
            prove(CompiledProgram(program).trace_for(nested.two_of(self.seen)), program)
            self._proven.add(key)

    def _told_before(self, name: str, error: Exception) -> dict[str, Any]:
        """Ask the preflight, which a run does before training: it should have refused what came to `error`."""
        try:
            _RECIPES[name].preflight(self.network, self.seen)
        except RunnerError as refusal:
            return {"outcome": "refused", "why": str(refusal)}
        except Exception as another:
            error = another
        traceback.print_exception(error)
        first = (str(error).splitlines() or [""])[0]
        return {"outcome": "failed", "why": f"after training: {type(error).__name__}: {first}"}

    def _floating(self, program: QuantizedNetwork, name: str) -> Tensor:
        """Return what the same weights answer in float: for QAT the fine-tuned ones, without rounding."""
        if name == "qat":
            return Reading(program.prepared).outputs(self.fresh)
        with torch.no_grad():
            return self.network(self.fresh)


def one_step(network: FakeQuantizedNetwork, inputs: Tensor) -> None:
    """Fine-tune by one step."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5)
    network.train()
    network(inputs).square().mean().backward()
    optimizer.step()
    network.eval()


def structure(program: GraphModule) -> str:
    """Return what decides about kernels: operators and what they read, without ranges and values of weights."""
    said: dict[Node, str] = {}
    for node in program.graph.nodes:
        held = getattr(program, str(node.target), None) if node.op == "get_attr" else None
        if isinstance(held, GraphModule):  # what stands under a context of its own
            text = structure(held)
        elif node.op == "get_attr":
            value = value_of(program, node)
            text = f"{tuple(value.shape)} {value.dtype}"
        else:
            arguments = node.args
            if "quantize_per_tensor" in str(node.target):  # scale and zero point
                arguments = (arguments[0], *(each for each in arguments[1:3] if isinstance(each, Node)), *arguments[3:])
            target = node.target if node.op == "call_function" else node.op
            text = f"{target} {map_arg((arguments, node.kwargs), said.__getitem__)} {len(node.users)}"
        said[node] = hashlib.sha256(text.encode()).hexdigest()
    return said[program.graph.output_node()]


def walk(member: Member, recipes: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each recipe with its row and seconds of CPU time; the first one's hold building and capturing as well."""
    began = time.process_time()
    walked = Walk(member)
    for name in recipes:
        row = walked.row(name)
        ended = time.process_time()
        yield name, {**row, "seconds": round(ended - began)}
        began = ended
