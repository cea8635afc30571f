"""A fingerprint of data: equal where a run would see the same samples in the same splits."""

import hashlib
from collections.abc import Mapping

from runner.data.batches import NestedRows
from runner.data.module import Samples
from runner.measure import nested


def fingerprint(splits: Mapping[str, Samples]) -> str:
    """Return sixteen hexadecimal digits over all inputs and targets that are in memory, and how they are divided.

    Of inputs that are read from files as they are needed, only their number and the targets count.
    """
    digest = hashlib.blake2b(digest_size=8)
    hashed: set[int] = set()
    for name, samples in sorted(splits.items()):
        digest.update(name.encode())
        for values in (samples.indices, samples.row_targets, samples.rows):
            for each in nested.tensors(values.value if isinstance(values, NestedRows) else values):
                if id(each) not in hashed:
                    hashed.add(id(each))
                    digest.update(each.contiguous().numpy().data)
    return digest.hexdigest()
