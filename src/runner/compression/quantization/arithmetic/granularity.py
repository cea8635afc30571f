"""Which values of a tensor share a scale: those of a channel, or those of a group within a channel."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from runner.errors import RunnerError


class Granularity(ABC):
    """Division of a tensor into blocks that have one scale and one zero point each."""

    @abstractmethod
    def blocks(self, tensor: Tensor) -> Tensor:
        """Return the values of `tensor` as (…, values of a block); leading dimensions as scales have them.

        A last block that is too short is filled with zeros, which every range includes anyhow.
        """

    @abstractmethod
    def spread(self, values: Tensor, shape: torch.Size) -> Tensor:
        """Return one number a block, repeated so that it broadcasts with a tensor of this shape."""


@dataclass(frozen=True)
class PerChannel(Granularity):
    """One scale for each index along `axis`, of shape (channels,)."""

    axis: int = 0

    def blocks(self, tensor: Tensor) -> Tensor:
        return tensor.movedim(self.axis, 0).flatten(1) if tensor.dim() > 1 else tensor.unsqueeze(1)

    def spread(self, values: Tensor, shape: torch.Size) -> Tensor:
        after = len(shape) - 1 - self.axis % len(shape)
        return values.reshape(-1, *[1] * after)


@dataclass(frozen=True)
class PerGroup(Granularity):
    """One scale for every `size` values in a row along the flattened inputs of a weight (out, …): (out, groups).

    Where `size` does not divide the inputs, the last group of each row is shorter.
    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise RunnerError(f"group_size={self.size}: a group has at least one value.")

    def blocks(self, tensor: Tensor) -> Tensor:
        rows = tensor.flatten(1) if tensor.dim() > 1 else tensor.unsqueeze(1)
        return functional.pad(rows, (0, -rows.shape[1] % self.size)).unflatten(1, (-1, self.size))

    def spread(self, values: Tensor, shape: torch.Size) -> Tensor:
        count = shape[1:].numel()
        repeated = values.unsqueeze(-1).expand(*values.shape, self.size).flatten(1)
        return repeated[:, :count].reshape(shape)
