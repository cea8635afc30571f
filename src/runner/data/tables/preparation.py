"""What a table's columns become for a network: gaps filled, numbers standardized in float64, categories one-hot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import Tensor

from runner.data.tables.dates import DAY
from runner.data.tables.feature_columns import CATEGORY, DATE, FeatureColumn

STRATEGIES = ("mean", "median", "most_frequent")


@dataclass(frozen=True)
class Places:
    """Which raw columns are of which kind, and where in the network's inputs each begins.

    Attributes:
        scaled, turned, coded: numbers of raw columns of numbers and seconds, of cycles, of categories.
        starts: the first input of each raw column.
        sizes: categories of each of `coded`, the place for others not counted.
        width: how many inputs there are.
        dates: which of `scaled` are seconds.
    """

    scaled: list[int]
    turned: list[int]
    coded: list[int]
    starts: list[int]
    sizes: list[int]
    width: int
    dates: list[bool]


def places(columns: Sequence[FeatureColumn], date_parts: Sequence[str]) -> Places:
    """Return where each column goes."""
    found = Places([], [], [], [], [], 0, [])
    width = 0
    for column in columns:
        raw = len(found.starts)
        found.starts.append(width)
        if column.kind == CATEGORY:
            found.coded.append(raw)
            found.sizes.append(len(column.categories))
            width += len(column.categories) + 1
            continue
        found.scaled.append(raw)
        found.dates.append(column.kind == DATE)
        width += 1
        for part in range(len(date_parts) if column.kind == DATE else 0):
            found.turned.append(raw + 1 + part)
            found.starts.append(width)
            width += 2
    return Places(found.scaled, found.turned, found.coded, found.starts, found.sizes, width, found.dates)


class Preparation:
    """Raw columns float64 (n, C), NaN where nothing is said, to a network's inputs float32 (n, F).

    Attributes:
        mean, std: of numbers and of seconds: `(x - mean) / std`.
        fill: what stands in for a missing number; for a category its number, `len(categories)` being the place of
            those that are missing or unknown.
        seen: for each column of categories which of them the training split has; others are unknown.
    """

    def __init__(self, columns: Sequence[FeatureColumn], date_parts: Sequence[str]) -> None:
        self.places = places(columns, date_parts)
        scaled = len(self.places.scaled)
        self.mean, self.std, self.fill = [0.0] * scaled, [1.0] * scaled, [0.0] * scaled
        self.fill_codes = [float(size) for size in self.places.sizes]
        self.seen = [[True] * size for size in self.places.sizes]

    def fit(self, raw: Tensor, missing: str, standardize: bool) -> None:
        """Fit everything to the training split, float64 (n, C), by scikit-learn's imputer, scaler and encoder."""
        numbers, categories = (raw.numpy()[:, where] for where in (self.places.scaled, self.places.coded))
        origin = first_known(numbers)
        fitted = fitted_transformer(numbers - origin, categories, missing)
        if self.places.scaled:
            self._take(fitted.named_transformers_["numbers"], numbers - origin, origin)
            if not standardize:
                self._leave_as_it_is(numbers)
        if self.places.coded:
            self._see(fitted.named_transformers_["categories"].categories_, categories, missing)

    def _take(self, fitted: Pipeline, shifted: Any, origin: Any) -> None:
        """Take what was fitted to numbers from which `origin` was subtracted."""
        fill, scale = fitted.named_steps["fill"].statistics_, fitted.named_steps["scale"]
        self.fill = (fill + origin).tolist()
        # Rounding in the mean gives a constant column a tiny standard deviation, so it is told by its extremes.
        known = np.where(np.isnan(shifted), fill, shifted)
        constant = known.min(axis=0) == known.max(axis=0)
        self.mean = (origin + np.where(constant, known[0], scale.mean_)).tolist()
        std = np.sqrt(scale.var_)
        std = np.where(std == 0, known.max(axis=0) - known.min(axis=0), std)  # squares of tiny numbers vanish
        self.std = np.where(constant, 1.0, std).tolist()

    def _leave_as_it_is(self, numbers: Any) -> None:
        """Take numbers as they are, and dates as days since the training split's earliest."""
        for index, date in enumerate(self.places.dates):
            known = numbers[~np.isnan(numbers[:, index]), index]
            self.mean[index] = float(known.min()) if date and len(known) else 0.0
            self.std[index] = DAY if date else 1.0

    def _see(self, categories: Sequence[Any], values: Any, missing: str) -> None:
        self.seen = [
            np.isin(np.arange(size), found).tolist() for size, found in zip(self.places.sizes, categories, strict=True)
        ]
        self.fill_codes = [float(size) for size in self.places.sizes]
        if missing == "most_frequent":
            for index in range(values.shape[1]):
                known = values[~np.isnan(values[:, index]), index]
                if len(known):
                    self.fill_codes[index] = float(np.bincount(known.astype(np.int64)).argmax())

    def apply(self, raw: Tensor) -> Tensor:
        """Return the network's inputs, float32 (n, F), on the CPU."""
        where, raw = self.places, raw.to(torch.float64)
        numbers = raw[:, where.scaled]
        numbers = torch.where(numbers.isnan(), self._row(self.fill), numbers)
        numbers = ((numbers - self._row(self.mean)) / self._row(self.std)).to(torch.float32)
        if len(where.scaled) == where.width:
            return numbers
        inputs = torch.zeros(len(raw), where.width)
        inputs[:, [where.starts[each] for each in where.scaled]] = numbers
        for each in where.turned:
            angle = 2 * torch.pi * raw[:, each]
            start = where.starts[each]
            inputs[:, start] = angle.sin().nan_to_num(0.0).to(torch.float32)
            inputs[:, start + 1] = angle.cos().nan_to_num(0.0).to(torch.float32)
        for each, size, seen, fill in zip(where.coded, where.sizes, self.seen, self.fill_codes, strict=True):
            codes = torch.where(raw[:, each].isnan(), fill, raw[:, each]).to(torch.int64)
            kept = torch.tensor([*seen, True])[codes]
            codes = torch.where(kept, codes, size)
            inputs.scatter_(1, where.starts[each] + codes[:, None], 1.0)
        return inputs

    def state_dict(self) -> dict[str, Any]:
        """Return the fitted values as JSON has them."""
        return {
            "mean": self.mean,
            "std": self.std,
            "fill": self.fill,
            "fill_codes": self.fill_codes,
            "seen": self.seen,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; runs of before knew mean and standard deviation only."""
        self.mean, self.std = list(state["mean"]), list(state["std"])
        self.fill = list(state.get("fill", self.fill))
        self.fill_codes, self.seen = list(state.get("fill_codes", self.fill_codes)), list(state.get("seen", self.seen))

    @staticmethod
    def _row(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)


def fitted_transformer(numbers: Any, categories: Any, missing: str) -> ColumnTransformer:
    """Return scikit-learn's transformer of columns of numbers (n, A) and of numbers of categories (n, B), fitted."""
    strategy = missing if missing in STRATEGIES else "mean"
    fill, scale = SimpleImputer(strategy=strategy, keep_empty_features=True), StandardScaler()
    encoder = OneHotEncoder(handle_unknown="ignore")
    first, last = numbers.shape[1], numbers.shape[1] + categories.shape[1]
    parts = [
        ("numbers", Pipeline([("fill", fill), ("scale", scale)]), list(range(first))),
        ("categories", encoder, list(range(first, last))),
    ]
    values = np.concatenate([numbers, categories], axis=1)
    return ColumnTransformer([part for part in parts if part[2]]).fit(values)


def first_known(numbers: Any) -> Any:
    """Return each column's first value that is known, float64 (C,); 0 where none is.

    What is subtracted before means are taken: timestamps differ in their last digits.
    """
    known = ~np.isnan(numbers)
    first = numbers[known.argmax(axis=0), np.arange(numbers.shape[1])] if len(numbers) else np.zeros(numbers.shape[1])
    return np.where(known.any(axis=0), first, 0.0)
