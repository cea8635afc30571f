"""An adapter alone: it makes of its base what was trained, and goes on no other."""

import pytest
import torch
from torch import nn

from runner.compression.finetuning.adapter_file import DESCRIPTION, TENSORS, load_adapter, save_adapter
from runner.compression.finetuning.adapters import Adapters, merge
from runner.errors import RunnerError

INPUTS = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))


def base() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)).eval()


@pytest.fixture
def saved(tmp_path):
    network = base()
    (step,) = Adapters(rank=2)(network, "2")
    with torch.no_grad():
        for parameter in filter(lambda each: each.requires_grad, network.parameters()):
            parameter.add_(torch.randn(parameter.shape))
    network[1].running_mean.add_(1)
    save_adapter(network, step, "base", tmp_path)
    merge(network)
    return tmp_path, network


def test_on_its_base_it_is_the_trained_network(saved):
    folder, trained = saved
    network = base()
    load_adapter(network, folder)
    assert not torch.equal(network(INPUTS), base()(INPUTS))
    for name, value in trained.state_dict().items():
        assert torch.equal(network.state_dict()[name], value)


def test_another_base_is_refused_and_a_fresh_head_is_none(saved):
    network = base()
    nn.init.zeros_(network[2].weight)
    load_adapter(network, saved[0])
    other = base()
    with torch.no_grad():
        other[0].weight[0, 0] += 1e-6
    with pytest.raises(RunnerError, match="another base: it was trained on base with other weights"):
        load_adapter(other, saved[0])


@pytest.mark.parametrize("file", [TENSORS, DESCRIPTION])
@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda data: b"\x80\x04" + data])
def test_damaged_files_are_refused(saved, file, damage):
    path = saved[0] / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunnerError, match="the adapter is damaged"):
        load_adapter(base(), saved[0])


def test_a_folder_without_one_is_told(tmp_path):
    with pytest.raises(RunnerError, match="holds no adapter"):
        load_adapter(base(), tmp_path)
