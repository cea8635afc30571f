"""What tests of programs share: programs that run as they are."""

from collections import Counter

import pytest


@pytest.fixture
def uncompiled(monkeypatch) -> None:
    """Nothing is compiled: a program answers as it was captured, and has none of Inductor's kernels."""
    from runner.compression.quantization.program.lower import CompiledProgram

    def as_it_is(program, inputs, size):
        program._compiled[size], program.kernels[size] = program.network, Counter()
        return program.network(inputs)

    monkeypatch.setattr(CompiledProgram, "_compile", as_it_is)
