"""Working memory: what a call took, not what was there before."""

import sys

import pytest
import torch

from runner.measure.machine import working_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets the peak of a process")
MEGABYTES = 200


def test_a_large_tensor_is_seen_at_its_highest_though_it_is_freed():
    used = working_memory(lambda: torch.ones(MEGABYTES * 2**20 // 4).sum())
    assert used is not None
    assert MEGABYTES * 2**20 * 0.9 < used < MEGABYTES * 2**20 * 1.3


def test_memory_held_before_does_not_count():
    held = torch.ones(MEGABYTES * 2**20 // 4)
    used = working_memory(lambda: held.sum())
    assert used is not None
    assert used < MEGABYTES * 2**20 / 4
