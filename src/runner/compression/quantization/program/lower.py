"""Compile a network for this CPU with frozen weights, and remember which kernels came out."""

import copy
import functools
import inspect
import platform
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor
from torch._inductor import decomposition
from torch._inductor.graph import GraphLowering
from torch.fx import Graph, GraphModule, Node

from runner.compression.quantization.backends.support import BackEnd, back_end
from runner.compression.quantization.graph.operators import modules
from runner.compression.quantization.program.adapt import adapted
from runner.errors import RunnerError
from runner.measure import nested
from runner.measure.nested import Nested

_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
_PRODUCTS = ("mkl._mkl_linear", "mkldnn._linear", "aten.addmm", "aten.mm.", "aten.bmm", "aten.mkldnn_rnn_layer")


class CompiledProgram(nn.Module):
    """`network` compiled by Inductor with freezing, in inference only; answers `forward` as the network does.

    One compilation serves one batch size. A smaller batch is padded to the next size compiled, by repeating
    its last sample (which moves no dynamic range), and the padding is cut off: the last batch of an epoch
    costs no compilation. A larger one is compiled for. `compile_for(n)` compiles ahead, for instance for
    batch 1. With a dynamic batch instead, Inductor's integer convolutions assert a wrong memory layout (torch
    2.14). `kernels`: batch size -> how often each operator type was lowered to which kernel, see `verify`;
    `layers`: the layers that each kernel serves, where that is known.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype | None = None) -> None:
        """Keep the program; `dtype`: what the network computes in, None leaves its weights as they are."""
        super().__init__()
        _register_integer_passes()
        if not isinstance(network, GraphModule):  # an exported graph has no modes to set
            network = copy.deepcopy(network).eval()
            network = network if dtype is None else network.to(dtype)
        self.network = network
        self.dtype = dtype
        self._compiled: dict[int, Any] = {}
        self.kernels: dict[int, Counter[str]] = {}
        self.layers: dict[str, set[str]] = {}
        self._single = True
        self.training = False

    def forward(self, inputs: Nested) -> Any:
        """Return the network's answer to `inputs` (N, …); float outputs are float32 whatever the compute dtype."""
        count = nested.samples(inputs)
        size = min((size for size in self._compiled if size >= count), default=count)
        with torch.inference_mode(False), torch.no_grad():
            inputs = nested.map_tensors(lambda each: each.clone() if each.is_inference() else each, inputs)
            outputs = self._run(nested.pad(inputs, size), size)
        return outputs if size == count else nested.head(outputs, count)

    def compile_for(self, inputs: Nested) -> "CompiledProgram":
        """Compile for exactly the batch size of `inputs` (N, …)."""
        with torch.inference_mode(False), torch.no_grad():
            self._run(nested.map_tensors(Tensor.clone, inputs), nested.samples(inputs))
        return self

    def trace_for(self, inputs: Nested) -> "CompiledProgram":
        """Find the kernels for the batch size of `inputs` as `compile_for` does, without writing or compiling any.

        That costs a fraction of compiling. The program can't be run by it.
        """
        with torch.inference_mode(False), torch.no_grad(), no_code():
            try:
                self._run(nested.map_tensors(Tensor.clone, inputs), nested.samples(inputs))
            except Exception as error:
                if not isinstance(getattr(error, "inner_exception", error), _EnoughSeenError):
                    raise
        return self

    def bare(self, size: int) -> Callable[[Nested], Any]:
        """Return the program compiled for this batch size, without padding and modes; call it under `torch.no_grad()`.

        For timing: the rest of `forward` costs a tenth of a millisecond.
        """
        compiled, dtype = self._compiled[size], self.dtype
        if dtype is None:
            return compiled
        if self._single:
            return lambda inputs: compiled(inputs.to(dtype) if inputs.is_floating_point() else inputs)
        return lambda inputs: compiled(nested.map_floats(lambda each: each.to(dtype), inputs))

    def train(self, mode: bool = True) -> "CompiledProgram":
        """Stay in inference mode: a compiled program can't be trained. Never raises, so any loop can call it."""
        return self

    def _run(self, inputs: Nested, size: int) -> Any:
        self._single = nested.is_single(inputs)
        if (dtype := self.dtype) is not None:
            inputs = nested.map_floats(lambda each: each.to(dtype), inputs)
        if size not in self._compiled:
            outputs = self._compile(inputs, size)
        else:
            with inductor.patch(freezing=True):
                outputs = self._compiled[size](inputs)
        return nested.map_floats(Tensor.float, outputs)

    def _compile(self, inputs: Nested, size: int) -> Any:
        seen = self.kernels[size] = Counter[str]()

        def look(graph: Graph) -> None:
            seen.update(kernel_names(graph))
            for name, layer in kernel_layers(graph):
                self.layers.setdefault(name, set()).add(layer)

        # a cached graph would skip the pass that counts; the code that is written for it may come from the cache
        options: dict[str, Any] = {"freezing": True, "post_grad_custom_post_pass": look, "fx_graph_cache": False}
        # its own count: torch.compile counts recompilations per code object, which networks of one class share, and
        # runs the rest eagerly after eight, with no more than a warning
        compiled = torch.compile(fitting(self.network), dynamic=False, isolate_recompiles=True)  # type: ignore[call-overload]
        with products_of(self.network), inductor.patch(**options):
            outputs = compiled(inputs)
        self._compiled[size] = compiled
        return outputs

    def __deepcopy__(self, memo: dict[int, Any]) -> "CompiledProgram":
        return CompiledProgram(copy.deepcopy(self.network, memo), self.dtype)


class _EnoughSeenError(Exception):
    """Says that the kernels are known and that no code is wanted."""


_tracing: ContextVar[bool] = ContextVar("tracing", default=False)


@contextmanager
def no_code() -> Iterator[None]:
    """Stop Inductor within this context where it would begin to write code, by `_EnoughSeenError`."""

    def stop(*arguments: Any) -> None:
        raise _EnoughSeenError

    written, GraphLowering.compile_to_module = GraphLowering.compile_to_module, stop  # type: ignore[method-assign,assignment]
    token = _tracing.set(True)
    try:
        yield
    finally:
        GraphLowering.compile_to_module = written  # type: ignore[method-assign]
        _tracing.reset(token)


@contextmanager
def whole_products() -> Iterator[None]:
    """Keep matrix products whole in Inductor within this context.

    Small ones of a single row it takes apart (torch 2.14), before the int8 patterns could match: they ran in float.
    """
    table = decomposition.decompositions
    products = (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)
    taken = {product: table.pop(product) for product in products if product in table}
    decomposition.fast_random_decomps.cache_clear()
    try:
        yield
    finally:
        table.update(taken)
        decomposition.fast_random_decomps.cache_clear()


def products_of(program: nn.Module) -> AbstractContextManager[None]:
    """Return a context for compiling `program`'s matrix products: whole where quantized, as Inductor likes in float."""
    return whole_products() if isinstance(program, GraphModule) else nullcontext()


def lower(converted: nn.Module, name: str | BackEnd) -> CompiledProgram:
    """Return the converted program of back end `name`, compiled for this machine; RunnerError where that can't be."""
    reason = obstacle(name)
    if reason is not None:
        raise RunnerError(reason)
    return CompiledProgram(converted)


def obstacle(name: str | BackEnd) -> str | None:
    """Return the reason why programs of back end `name` cannot be compiled here; None where they can."""
    row = back_end(name)
    if row.lowering != "inductor":
        return f"Programs of {name} are run by {row.lowering}, not compiled here; export them instead."
    if row.machines and platform.machine() not in row.machines:
        return (
            f"The back end {name} lowers on {row.machines[0]}; this machine is {platform.machine()}. "
            "Save the program here and load it there, or choose quantization/backend for this machine."
        )
    if name == "xpu" and not torch.xpu.is_available():
        return "The back end xpu lowers on an Intel GPU; none is here. Save the program and load it there."
    return None


def kernel_names(graph: Graph) -> list[str]:
    """Return the name of each call of a lowered graph: an operator's, or that of its integer kernel."""
    return [_name(node) for node in graph.nodes if node.op == "call_function"]


def kernel_layers(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield the kernels of a lowered graph with the layer that each serves, where the capture still tells."""
    for node in graph.nodes:
        if node.op == "call_function" and node.meta.get("nn_module_stack"):
            yield _name(node), modules(node)[-1]


def _name(node: Node) -> str:
    """Return a call's name: Inductor's bound functions have in their closure which kernel they call.

    What a recurrent layer was taken apart to begins with `recurrent`.
    """
    target: Any = node.target
    if not isinstance(target, functools.partial):
        source = str(node.meta.get("torch_fn", ("", ""))[1]).rpartition(".")[2]
        return f"recurrent.{target}" if source in _RECURRENT and str(target).startswith(_PRODUCTS) else str(target)
    function = target.func
    bound = inspect.getclosurevars(function).nonlocals
    kernels = [str(value) for value in bound.values() if str(value).startswith("mkldnn.")]
    return kernels[0] if kernels else function.__name__


def fitting(network: nn.Module) -> nn.Module:
    """Return `network` as Inductor's patterns want it."""
    return adapted(network) if isinstance(network, GraphModule) else network


def _register_integer_passes() -> None:
    """Register Inductor's int8 patterns by importing the quantizer; a program loaded from disk needs them too."""
    import torchao.quantization.pt2e.quantizer.x86_inductor_quantizer  # noqa: F401
