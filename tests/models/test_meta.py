"""Networks without memory: the same layers, and nothing is drawn for them."""

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models import resnet18

from runner.models.meta import building_on_meta, without_memory


class Recorded(TorchDispatchMode):
    """Notes what runs."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.name())
        return function(*args, **(kwargs or {}))


def test_weights_are_not_drawn():
    """There is nothing to draw, and on the meta device each weight would take a while."""
    with Recorded() as ran, without_memory():
        assert building_on_meta()
        network = resnet18()
        nn.init.trunc_normal_(nn.Linear(2, 3).weight, std=0.1)
        nn.Linear(2, 3).weight.detach().uniform_()
    assert "aten::empty.memory_format" in ran.names
    assert not [name for name in ran.names if any(word in name for word in ("normal", "uniform", "erfinv"))]
    assert not building_on_meta()
    shapes = {name: each.shape for name, each in resnet18().state_dict().items()}
    assert {name: each.shape for name, each in network.state_dict().items()} == shapes
    assert all(each.is_meta for each in network.state_dict().values())
