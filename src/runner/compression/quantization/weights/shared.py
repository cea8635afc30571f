"""A weight whose values are those of a short table: an index for each, entropy-coded in its file."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from runner.compression.quantization.weights.huffman import Coded, decode, encode
from runner.compression.quantization.weights.kmeans import cluster, nearest
from runner.compression.quantization.weights.stored import StoredWeight


class SharedWeight(StoredWeight):
    """Every weight of a layer is one of `values` float32 (clusters,); `indices` uint8 (weights,) say which.

    In memory an index takes a byte, in the file as many bits as its Huffman code.
    """

    values: Tensor
    indices: Tensor

    def __init__(self, shape: torch.Size, values: Tensor, indices: Tensor) -> None:
        super().__init__(shape)
        self.register_buffer("values", values)
        self.register_buffer("indices", indices)

    @classmethod
    def of(cls, weight: Tensor, clusters: int) -> "SharedWeight":
        """Return the weight with its values replaced by the centres of at most `clusters` (2 to 256) clusters.

        Where some are exactly 0, as pruning leaves them, 0 is one of the values.
        """
        flat = weight.detach().float().cpu().numpy().reshape(-1)
        kept = flat[flat != 0]
        centres = cluster(kept, clusters - 1 if len(kept) < len(flat) else clusters)
        if len(kept) < len(flat):
            centres = np.union1d(centres, [0.0])
        indices = nearest(flat, centres).astype(np.uint8)
        return cls(weight.shape, torch.from_numpy(centres).float(), torch.from_numpy(indices))

    @classmethod
    def restored(cls, shape: torch.Size, settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "SharedWeight":
        """See StoredWeight.restored."""
        values, parts = tensors["values"], {key: tensors[key].numpy() for key in ("lengths", "bits", "offsets")}
        if len(parts["lengths"]) != len(values):
            raise ValueError(f"{len(parts['lengths'])} codes for {len(values)} values")
        indices = decode(Coded(**parts, count=shape.numel()))
        return cls(shape, values, torch.from_numpy(indices))

    @property
    def settings(self) -> dict[str, Any]:
        """See StoredWeight.settings."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """Return the values, the table of code lengths, and the indices as a Huffman code."""
        coded = encode(self.indices.cpu().numpy(), len(self.values))
        arrays = {"lengths": coded.lengths, "bits": coded.bits, "offsets": coded.offsets.astype(np.int32)}
        return {"values": self.values, **{key: torch.from_numpy(each) for key, each in arrays.items()}}

    def forward(self) -> Tensor:
        """See StoredWeight.forward."""
        return self.values[self.indices.to(torch.int32)].view(self.shape)
