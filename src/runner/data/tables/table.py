"""CsvTable: the user's own table, numbers, dates, categories in, one column out."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.data.module import Batch, Samples, Source
from runner.data.standardize import Standardizer
from runner.data.tables import columns, leaks, targets
from runner.data.tables.delimited import Table, read_table
from runner.data.tables.feature_columns import CATEGORY, DATE, NUMBER, FeatureColumn, plan
from runner.data.tables.preparation import STRATEGIES, Preparation
from runner.data.tables.raw_columns import raw_columns, refuse_missing, unknown_categories
from runner.data.tables.tabular import TabularDataModule, class_targets
from runner.errors import RunnerError

log = logging.getLogger(__name__)

MISSING = (*STRATEGIES, "drop", "error")
# The squares of larger numbers may be infinite.
LARGEST = 1e150
# A table of more bytes isn't kept for another run of the same process.
KEPT = 100_000_000

FILL = "Fill it in, set data.missing=median, mean, most_frequent or drop, or leave the column out of data.features."
FILL_BY_HAND = "Fill it in: this network was trained with data.missing={missing}, which knows no value to put there."


class CsvTable(TabularDataModule):
    """A CSV or Parquet file with named columns; `root` is the file.

    Raw inputs are float64 (N, C), see `raw_columns`; the network gets float32 (N, F), see `Preparation`. What the
    columns are and which categories there are is read from the whole table; means, medians and the like are of the
    training split. For regression targets are float32 (N, 1) in the table's units; for classification int64 (N,),
    classes in order of their labels; for binary_classification float32 (N,), 1 for the second label.

    Args:
        root: the file.
        target: the column to predict.
        features: the input columns; null: all but `target` and those that name or count the rows.
        target_kind: the task's name.
        missing: what stands in for a missing value: mean, median or most_frequent of the training split (text has no
            mean: it counts as unknown there); drop leaves the rows out; error tells the first.
        settings: of `Dialect` and `Choices`.
    """

    def __init__(
        self,
        *,
        root: str,
        target: str,
        features: Sequence[str] | None = None,
        target_kind: str = "regression",
        missing: str = "error",
        delimiter: str | None = None,
        decimal: str | None = None,
        thousands: str | None = None,
        encoding: str | None = None,
        header: bool = True,
        missing_values: Sequence[str] | None = None,
        categorical: Sequence[str] | None = None,
        date_format: str | None = None,
        date_parts: Sequence[str] | None = None,
        max_categories: int | None = None,
        **tabular: Any,
    ) -> None:
        super().__init__(**tabular)
        self.path, self.target, self.target_kind, self.missing = Path(root), str(target), target_kind, missing
        if missing not in MISSING:
            raise RunnerError(f"data.missing={missing}: must be one of {', '.join(MISSING)}.")
        given = {name: value for name, value in locals().items() if name in (*columns.DIALECT, *columns.CHOICES)}
        self.dialect, self.choices = columns.settings_of(given, features, target)
        self.features = list(self.choices.features) if self.choices.features is not None else None
        self.columns: list[FeatureColumn] = []
        self.table_columns: list[str] = []
        self.preparation = Preparation([], [])

    def load(self) -> Source:
        """Read and check the whole table."""
        table = columns.remembered_table(self.path, self.dialect, self._text())
        if table.data.nbytes > KEPT:
            columns.forget()
        found, notes = plan(table, self.choices)
        self.remarks = [*table.notes, *notes]
        self._describe(found)
        self.table_columns, self.dialect = list(table.columns), table.dialect
        raw = raw_columns(table, self.columns, self.choices.date_parts)
        wanted = targets.numbers_of(table, self.target) if self._regression else targets.classes_of(table, self.target)
        self.remarks = [*self.remarks, *targets.remarks(wanted, self.target)]
        kept = self._without_gaps(table, raw, wanted)
        if not kept.all():
            raw = raw[kept]
        inputs, values = torch.from_numpy(raw), torch.tensor(wanted.values[kept])
        if self._regression:
            return Source(inputs=inputs, targets=values.to(torch.float32)[:, None])
        self._check_count(wanted.names or ())
        names = wanted.names or ()
        return Source(inputs=inputs, targets=class_targets(values, self.target_kind, len(names)), class_names=names)

    def setup(self, stage: str | None = None) -> None:
        """Set up as in DataModule; then look whether a column tells the target by itself."""
        if self.splits:
            return
        super().setup(stage)
        training = self.splits["train"]
        names, coded = self._raw_names()
        wanted = training.targets.flatten().numpy()
        found = leaks.leaks(training.inputs.numpy(), coded, names, wanted, not self._regression)
        self.remarks = [*self.remarks, *found]

    def fit_transform(self, training: Samples) -> None:
        """Fit what fills gaps and what scales to the training split, in float64."""
        if len(training):
            raw = training.inputs
            self._refuse_overflow(raw)
            self.preparation.fit(raw, self.missing, self.standardize)
            self._show_standardisation()

    def transform(self, inputs: Tensor) -> Tensor:
        """Convert raw columns (N, C) to the network's inputs, float32 (N, F), on the CPU."""
        return self.preparation.apply(inputs.cpu())

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Transform the batch before it goes to the device, which may not know float64."""
        return self.transform(batch[0]), batch[1]

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Return the batch as it is."""
        return batch

    def read(self, paths: list[Path]) -> Tensor:
        """Return the feature columns of the user's tables: float64 (n, C). A target column isn't needed.

        Columns are found by their names, others are passed over.
        """
        if not self.columns:
            raise RunnerError("The feature columns aren't known yet: set up the data or load a checkpoint first.")
        return torch.cat([self._read(path) for path in paths])

    def state_dict(self) -> dict[str, Any]:
        """Return also the columns, and what was fitted to the training split."""
        return {
            **super().state_dict(),
            "features": self.features,
            "columns": [column.as_plain() for column in self.columns],
            "table_columns": self.table_columns,
            "signs": [self.dialect.decimal, self.dialect.thousands],
            **self.preparation.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; in runs of before every column is a number."""
        super().load_state_dict(state_dict)
        plain = state_dict.get("columns")
        self._describe(
            [FeatureColumn(name, NUMBER) for name in state_dict["features"]]
            if plain is None
            else [FeatureColumn.from_plain(each) for each in plain]
        )
        self.table_columns = list(state_dict.get("table_columns", []))
        decimal, thousands = state_dict.get("signs", [None, None])
        self.dialect = replace(self.dialect, decimal=decimal, thousands=thousands)
        self.preparation.load_state_dict(state_dict)
        self._show_standardisation()

    @property
    def _regression(self) -> bool:
        return self.target_kind == "regression"

    def _text(self) -> tuple[str, ...]:
        return columns.text_columns(self.choices, self.target_kind)

    def _describe(self, found: Sequence[FeatureColumn]) -> None:
        self.columns = list(found)
        self.features = [column.name for column in found]
        self.preparation = Preparation(found, self.choices.date_parts)

    def _show_standardisation(self) -> None:
        """Let pictures undo the scaling where the inputs are the table's columns one by one."""
        self.standardisation = Standardizer(self.preparation.mean, self.preparation.std)

    def _raw_names(self) -> tuple[list[str], list[bool]]:
        """Return of each raw column the table's column, and whether it holds numbers of categories."""
        parts = len(self.choices.date_parts)
        counted = [(each, 1 + parts if each.kind == DATE else 1) for each in self.columns]
        names = [each.name for each, count in counted for _ in range(count)]
        return names, [each.kind == CATEGORY for each, count in counted for _ in range(count)]

    def _without_gaps(self, table: Table, raw: Any, wanted: targets.Targets) -> Any:
        """Return which rows are used, bool (n,); raises RunnerError where one has gaps that nothing fills."""
        gaps = ~(raw == raw)
        known = wanted.known
        if self.missing == "drop":
            kept = known & ~gaps.any(axis=1)
            if not kept.any():
                raise RunnerError(
                    f"{self.path}: every row has a missing value. Use data.missing=median instead of drop."
                )
            if not kept.all():
                left_out = f"{int((~kept).sum()):,} of {len(kept):,} rows have missing values and are left out."
                self.remarks = [*self.remarks, left_out]
            return kept
        if not known.all():
            place, cell = table.place(self.target, int((~known).argmax()))
            where = place.rpartition(", column")[0]
            written = f" ('{cell}')" if cell else ""
            raise RunnerError(
                f"{where}: the target '{self.target}' is empty{written}, as in {int((~known).sum()):,} rows. "
                "Fill it in, or leave such rows out: data.missing=drop."
            )
        if self.missing == "error":
            refuse_missing(table, self._raw_names()[0], gaps, FILL)
        return known

    def _refuse_overflow(self, raw: Tensor) -> None:
        """Raise RunnerError for numbers whose squares, or which themselves in float32, are beyond what floats hold."""
        most = LARGEST if self.standardize else torch.finfo(torch.float32).max
        beyond = (raw.abs() > most).any(0)
        if bool(beyond.any()):
            name = self._raw_names()[0][int(beyond.int().argmax())]
            raise RunnerError(
                f"{self.path}, column '{name}': holds numbers beyond {most:.0e}, which no network can be given. "
                "Use another unit or their logarithm, or leave the column out of data.features."
            )

    def _check_count(self, names: Sequence[str]) -> None:
        if self.num_classes is not None and self.num_classes != len(names):
            raise RunnerError(
                f"data.num_classes is {self.num_classes}, but the column '{self.target}' of {self.path} "
                f"has {len(names)} classes. Set data.num_classes={len(names)}."
            )

    def _read(self, path: Path) -> Tensor:
        text = [column.name for column in self.columns if column.kind == CATEGORY]
        try:
            table = self._named(read_table(path, self.dialect, text))
            raw = raw_columns(table, self.columns, self.choices.date_parts)
        except RunnerError:  # written with other signs than the table of the training
            if self.dialect.decimal is None:
                raise
            table = self._named(read_table(path, replace(self.dialect, decimal=None, thousands=None), text))
            raw = raw_columns(table, self.columns, self.choices.date_parts)
        if self.missing not in STRATEGIES:
            refuse_missing(table, self._raw_names()[0], ~(raw == raw), FILL_BY_HAND.format(missing=self.missing))
        for note in [*table.notes, *unknown_categories(table, self.columns)]:
            log.warning(note)
        return torch.from_numpy(raw)

    def _named(self, table: Table) -> Table:
        """Return a table without a header line with the names that the columns had in training, the target left out."""
        if self.dialect.header or not self.table_columns or len(table.columns) == len(self.table_columns):
            return table
        others = [name for name in self.table_columns if name != self.target]
        if len(table.columns) != len(others):
            raise RunnerError(
                f"{table.path} has {len(table.columns)} columns without names; the table of the training had "
                f"{len(self.table_columns)}, one of them the target."
            )
        return replace(table, data=table.data.rename_columns(others))


def read_rows(path: Path, names: list[str]) -> Tensor:
    """Return the named columns of a CSV or Parquet file as float32 (n, len(names)).

    Raises:
        RunnerError: a column is missing, or a value is no finite number; line and column are named.
    """
    table = read_table(path)
    raw = raw_columns(table, [FeatureColumn(name, NUMBER) for name in names])
    refuse_missing(table, names, ~(raw == raw), "Fill it in.")
    return torch.from_numpy(raw).to(torch.float32)
