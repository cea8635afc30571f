"""Line and Hours: the three-point datasets of the textbooks' first lesson."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.data.module import Samples, Source
from runner.data.tables.table import read_rows
from runner.data.tables.tabular import TabularDataModule, class_targets


class ThreePoints(TabularDataModule):
    """Three points, all in one batch. Train, validation and test split are the SAME three points.

    So their scores say how well the points are fitted, and nothing about points not seen.
    """

    def __init__(self, *, batch_size: int = 3, **tabular: Any) -> None:
        super().__init__(batch_size=batch_size, standardize=False, **tabular)

    def divide(self, source: Source) -> dict[str, Samples]:
        """Return all points in all splits."""
        points = Samples(source.inputs, source.targets, torch.arange(len(source.targets)))
        return {"train": points, "val": points, "test": points}

    def read(self, paths: list[Path]) -> Tensor:
        """Return values of x from tables with a column `x`: float32 (n, 1)."""
        return torch.cat([read_rows(path, ["x"]) for path in paths])


class Line(ThreePoints):
    """x = 1, 2, 3 and y = 2x: inputs float32 (3, 1), targets float32 (3, 1)."""

    def load(self) -> Source:
        """Make the points; nothing is read."""
        x = torch.tensor([[1.0], [2.0], [3.0]])
        return Source(inputs=x, targets=2 * x)


class Hours(ThreePoints):
    """Hours of study 1, 2, 3 and exam failed, failed, passed: inputs float32 (3, 1), targets 0, 0, 1.

    Targets are float32 (3,) for `target_kind` binary_classification, int64 (3,) for classification.
    """

    def __init__(self, *, target_kind: str = "binary_classification", **tabular: Any) -> None:
        super().__init__(**tabular)
        self.target_kind = target_kind

    def load(self) -> Source:
        """Make the points; nothing is read."""
        return Source(
            inputs=torch.tensor([[1.0], [2.0], [3.0]]),
            targets=class_targets(torch.tensor([0, 0, 1]), self.target_kind, 2),
            class_names=("failed", "passed"),
        )
