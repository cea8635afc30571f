"""Diabetes: 442 patients that ship with scikit-learn, ten measurements each."""

from pathlib import Path

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor

from runner.data.module import Source
from runner.data.tables.table import read_rows
from runner.data.tables.tabular import TabularDataModule


class Diabetes(TabularDataModule):
    """Diabetes patients: inputs float32 (442, 10), unscaled; targets float32 (442, 1), progression after a year.

    Source: B. Efron et al., "Least Angle Regression", Annals of Statistics 32, 2004.
    """

    def load(self) -> Source:
        """Read from the installed scikit-learn; nothing is downloaded."""
        bunch = load_diabetes(scaled=False)
        inputs = torch.from_numpy(bunch.data).to(torch.float32)
        return Source(inputs=inputs, targets=torch.from_numpy(bunch.target).to(torch.float32).unsqueeze(1))

    def read(self, paths: list[Path]) -> Tensor:
        """Return tables with the ten columns by their names (age, sex, bmi, bp, s1 … s6): float32 (n, 10)."""
        names = list(load_diabetes().feature_names)
        return torch.cat([read_rows(path, names) for path in paths])
