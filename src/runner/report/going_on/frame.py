"""runner.results(…): runs as a pandas.DataFrame."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from runner.report.differences import differing_columns
from runner.report.run_record import MISSING, value_of
from runner.report.runs import find_runs

if TYPE_CHECKING:
    import pandas as pd


def results(*directories: str | os.PathLike[str]) -> "pd.DataFrame":
    """Return a row for each run in these directories and below them, in the order in which they began.

    The index is the run directory. Columns are `name`, `state` and `reason`, `started` (time in UTC), `seed`,
    `parameters`, `seconds` (total), then the choices and settings that differ between the runs (`model`,
    `optimizer.lr`), then every metric by its full name (`test/accuracy`). What a run lacks is missing there. Runs that
    are not done are among them.

    Raises:
        RunnerError: a place does not exist, is no directory, or holds no run.
    """
    import pandas as pd

    runs = sorted(find_runs([Path(each) for each in directories or ("outputs",)]), key=lambda run: run.started or 0.0)
    columns = differing_columns(runs)
    metrics = dict.fromkeys(name for run in runs for name in run.metrics)
    rows = []
    for run in runs:
        found = {column: value_of(run, column) for column in columns}
        rows.append(
            {
                "name": run.name,
                "state": run.state,
                "reason": run.reason,
                "started": pd.NaT if run.started is None else pd.Timestamp(run.started, unit="s", tz="UTC"),
                "seed": run.settings.get("seed"),
                "parameters": run.parameters,
                "seconds": run.seconds.get("total"),
                **{column: None if value is MISSING else value for column, value in found.items()},
                **{name: run.metrics.get(name) for name in metrics},
            }
        )
    return pd.DataFrame(rows, index=pd.Index([str(run.path) for run in runs], name="run"))
