"""Ranks fall to what was asked for, where they are needed least, and a resumed schedule goes on as it was."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from runner.callbacks.rank_allocation import RankAllocation, distance_from_orthogonal
from runner.compression.finetuning.adapters import Adapters
from runner.compression.finetuning.settings import RankSchedule

STEPS = 12
SCHEDULE = RankSchedule(final_rank=2, before=0.2, after=0.25, every=2, orthogonality=0.5)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    found = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 2))
    Adapters("adalora", rank=4)(found, "2")
    return found


def ranks(net: nn.Module) -> list[int]:
    return [int(each.count_nonzero()) for name, each in net.named_parameters() if ".lora_E." in name]


def train(net: nn.Module, callback: RankAllocation, first: int, last: int) -> list[int]:
    """Steps `first` to `last` of 12, with gradients that depend on the step alone; the sum of ranks after each."""
    trainer = SimpleNamespace(estimated_stepping_batches=STEPS, global_step=first - 1)
    callback.on_train_start(trainer, None)
    found = []
    for step in range(first, last + 1):
        for parameter in net.parameters():
            if parameter.requires_grad:
                generator = torch.Generator().manual_seed(step)
                parameter.grad = torch.randn(parameter.shape, generator=generator)
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.grad is not None:
                    parameter -= 0.1 * parameter.grad
        trainer.global_step = step
        callback.on_train_batch_end(trainer, None, None, None, 0)
        found.append(sum(ranks(net)))
    return found


def test_ranks_fall_to_the_budget_and_stay():
    net = network()
    found = train(net, RankAllocation(net, SCHEDULE), 1, STEPS)
    assert found[:2] == [8, 8]
    assert found[8:] == [4] * 4  # two layers of rank 2 on average


@pytest.mark.parametrize("stop", [6, 11])
def test_a_resumed_schedule_goes_on_as_it_was(stop):
    whole, resumed = network(), network()
    train(whole, RankAllocation(whole, SCHEDULE), 1, STEPS)
    first, second = RankAllocation(resumed, SCHEDULE), RankAllocation(resumed, SCHEDULE)
    train(resumed, first, 1, stop)
    second.load_state_dict(first.state_dict())
    train(resumed, second, stop + 1, STEPS)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_factors_are_pulled_towards_orthogonal_ones():
    net = network()
    for name, factor in net.named_parameters():
        if ".lora_A." in name or ".lora_B." in name:
            nn.init.orthogonal_(factor)
    assert distance_from_orthogonal(net) < 1e-5
    with torch.no_grad():
        net[0].lora_A.default.mul_(2)
    assert float(distance_from_orthogonal(net).detach()) == pytest.approx(
        3 * 4**0.5 / 4, abs=1e-4
    )  # |4I - I|, one of four
    RankAllocation(net, SCHEDULE).on_before_optimizer_step(None, None, None)
    assert net[0].lora_A.default.grad.norm() > 0
    assert net[0].lora_E.default.grad is None
