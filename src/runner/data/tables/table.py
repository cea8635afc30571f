"""CsvTable: the user's own table, any numeric columns in, one column out."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.data.module import Source
from runner.data.tables.columns import class_labels
from runner.data.tables.delimited import Table, read_table
from runner.data.tables.tabular import TabularDataModule, class_targets
from runner.errors import RunnerError


class CsvTable(TabularDataModule):
    """A CSV file with a header line; `root` is the file.

    `features` names the input columns (null: all but `target`). `target_kind` is the task's name: for regression
    targets are float32 (N, 1) in the table's units; for classification, int64 (N,), classes in order of their
    labels; for binary_classification, float32 (N,), 1 for the second label.
    """

    def __init__(
        self,
        *,
        root: str,
        target: str,
        features: Sequence[str] | None = None,
        target_kind: str = "regression",
        **tabular: Any,
    ) -> None:
        super().__init__(**tabular)
        self.path, self.target, self.target_kind = Path(root), target, target_kind
        self.features = list(features) if features is not None else None

    def load(self) -> Source:
        """Read and check the whole table."""
        table = read_table(self.path)
        self.features = table.features(self.features, self.target)
        inputs = numbers(table, self.features)
        if self.target_kind == "regression":
            targets = numbers(table, [self.target])
            if len(targets) > 1 and bool((targets == targets[0]).all()):
                raise RunnerError(f"{self.path}: the target '{self.target}' is the same in every row.")
            return Source(inputs=inputs, targets=targets)
        targets, names = self._classes(table)
        return Source(inputs=inputs, targets=targets, class_names=names)

    def read(self, paths: list[Path]) -> Tensor:
        """Return the feature columns of the user's tables: float32 (n, F). A target column isn't needed."""
        if self.features is None:
            raise RunnerError("The feature columns aren't known yet: set up the data or load a checkpoint first.")
        return torch.cat([read_rows(path, self.features) for path in paths])

    def state_dict(self) -> dict[str, Any]:
        """Return also the feature columns, in order."""
        return {**super().state_dict(), "features": self.features}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        super().load_state_dict(state_dict)
        self.features = list(state_dict["features"])

    def _classes(self, table: Table) -> tuple[Tensor, tuple[str, ...]]:
        labels = [label.strip() for label in table.column(self.target)]
        for line, label in zip(table.lines, labels, strict=True):
            if not label:
                raise RunnerError(f"{self.path}, line {line}: the target '{self.target}' is empty. Fill it in.")
        names = class_labels(labels)
        if len(names) < 2:
            raise RunnerError(
                f"{self.path}: the target '{self.target}' is '{names[0]}' in every row. "
                "A classifier needs at least two classes."
            )
        if self.num_classes is not None and self.num_classes != len(names):
            raise RunnerError(
                f"data.num_classes is {self.num_classes}, but the column '{self.target}' of {self.path} "
                f"has {len(names)} classes. Set data.num_classes={len(names)}."
            )
        position = {name: index for index, name in enumerate(names)}
        indices = torch.tensor([position[label] for label in labels])
        return class_targets(indices, self.target_kind, len(names)), tuple(names)


def read_rows(path: Path, columns: list[str]) -> Tensor:
    """Return the named columns of a CSV file as float32 (n, len(columns)); raises RunnerError as `numbers` does."""
    return numbers(read_table(path), columns)


def numbers(table: Table, columns: list[str]) -> Tensor:
    """Return the named columns as float32 (n, len(columns)).

    Raises:
        RunnerError: a column is missing, or a value is no finite number; line and column are named.
    """
    positions = [table.position(column) for column in columns]
    values = [
        [_number(table, line, table.columns[p], row[p]) for p in positions]
        for line, row in zip(table.lines, table.rows, strict=True)
    ]
    return torch.tensor(values, dtype=torch.float32).reshape(len(values), len(columns))


def _number(table: Table, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        what = f"'{text}' is no number" if text.strip() else "the value is missing"
        raise RunnerError(
            f"{table.path}, line {line}, column '{column}': {what}. Mend it, or leave the column out of data.features."
        )
    return value
