"""Stages quantize the same small networks again and again."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def quick_training_of_programs(patterns_traced_once) -> None:
    """See `patterns_traced_once`."""
