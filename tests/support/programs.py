"""What tests of programs share: programs that run as they are, and upstream's patterns traced once."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch


@pytest.fixture
def uncompiled(monkeypatch) -> None:
    """Nothing is compiled: a program answers as it was captured, and has none of Inductor's kernels."""
    from runner.compression.quantization.program.lower import CompiledProgram

    def as_it_is(program, inputs, size):
        program._compiled[size], program.kernels[size] = program.network, Counter()
        return program.network(inputs)

    monkeypatch.setattr(CompiledProgram, "_compile", as_it_is)


@pytest.fixture(scope="session")
def patterns_traced_once() -> Iterator[None]:
    """torchao traces its dozen patterns of convolution and batch norm for every network anew: most of the time of QAT.

    They depend on nothing but their arguments; here each is traced at its first use, and copied at all others.
    """
    from torchao.quantization.pt2e import qat_utils

    trace, traced = qat_utils._get_aten_graph_module_for_pattern, dict[Any, torch.fx.GraphModule]()

    def once(pattern: Any, example_inputs: tuple[Any, ...], is_cuda: bool = False, **settings: Any) -> Any:
        key = (identity(pattern), *map(described, example_inputs), is_cuda, *sorted(settings.items()))
        if key not in traced:
            traced[key] = trace(pattern, example_inputs, is_cuda, **settings)
        return copy.deepcopy(traced[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qat_utils, "_get_aten_graph_module_for_pattern", once)
        yield


def identity(pattern: Any) -> Any:
    """What a function is by: its name and what it closes over; of a module that wraps one, the function's."""
    if isinstance(pattern, torch.nn.Module):
        (inner,) = (each for name, each in vars(pattern).items() if name == "fn" or name == "forward")
        return identity(inner)
    cells: tuple[Any, ...] = getattr(pattern, "__closure__", None) or ()
    contents = (each.cell_contents for each in cells)
    return getattr(pattern, "__qualname__", repr(pattern)), *(
        identity(each) if isinstance(each, Callable) else each for each in contents
    )


def described(value: Any) -> Any:
    return (tuple(value.shape), value.dtype) if isinstance(value, torch.Tensor) else value
