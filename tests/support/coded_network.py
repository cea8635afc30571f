"""A small network with every kind of layer that can be coded, and a meter of the memory that tensors take."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class Mixed(nn.Module):
    """Convolutions that are strided, dilated, grouped and unevenly padded, a norm, and linear layers; input 1x9x9."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8, eps=1e-3)
        self.depthwise = nn.Conv2d(8, 8, 3, padding="same", groups=8, bias=False, padding_mode="reflect")
        self.even = nn.Conv2d(8, 8, 2, padding="same", dilation=2, groups=2)
        self.valid = nn.Conv2d(8, 6, (2, 1), padding="valid")
        self.fc = nn.Linear(6 * 4 * 5, 32)
        self.head = nn.Linear(32, 10, bias=False)
        self.register_buffer("offset", torch.linspace(-1, 1, 10), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.norm(self.stem(images)))
        hidden = torch.relu(self.valid(torch.relu(self.even(self.depthwise(hidden)))))
        return self.head(torch.relu(self.fc(hidden.flatten(1)))) + self.offset


@pytest.fixture(scope="session")
def mixed() -> Mixed:
    torch.manual_seed(0)
    network = Mixed()
    network.norm.running_mean.uniform_(-0.5, 0.5)
    network.norm.running_var.uniform_(0.2, 2)
    return network.eval()


@pytest.fixture(scope="session")
def pictures() -> Tensor:
    return torch.randn(32, 1, 9, 9, generator=torch.Generator().manual_seed(1))


class TensorMemory(TorchDispatchMode):
    """Bytes of the tensors made within it: those alive now, the most at any one time, and the largest float one."""

    def __init__(self, given: nn.Module | None = None) -> None:
        """Tensors of `given`, which were there before, do not count."""
        super().__init__()
        self.given = {id_of(each) for each in given.parameters()} if given else set()
        self.made: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = self.largest_float = self.added = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self.given | {id_of(each) for each in pytree.tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        out = func(*args, **(kwargs or {}))
        for each in pytree.tree_leaves(out):
            if isinstance(each, Tensor) and each.device.type == "cpu" and id_of(each) not in before:
                storage = each.untyped_storage()
                self.made[id_of(each)] = (StorageWeakRef(storage), storage.nbytes())
                self.added += storage.nbytes()
                self.largest_float = max(self.largest_float, each.nbytes if each.is_floating_point() else 0)
        if self.added > self.peak:  # else what is alive cannot be more either
            self.added = self.alive
            self.peak = max(self.peak, self.added)
        return out

    @property
    def alive(self) -> int:
        self.made = {key: each for key, each in self.made.items() if not each[0].expired()}
        return sum(size for _, size in self.made.values())


def id_of(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@pytest.fixture
def tensor_memory() -> Callable[..., TensorMemory]:
    return TensorMemory
