"""How Lightning's checkpoints reach the disk."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from runner.files import write_with


class DurableCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its place, flush it, and rename it: whatever happens, the one before or the new one.

    Lightning itself moves a temporary file from another file system into place, which is a copy: a kill in its middle
    leaves a cut file.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint; returns once the disk holds it."""
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_with(place, lambda file: torch.save(checkpoint, file), durable=True)
