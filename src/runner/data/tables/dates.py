"""Dates: written as ISO 8601 or as people do, as seconds since 1970 in float64."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runner.data.tables.cycles import CYCLES

DAY = 86_400.0
TIME = r"([ T]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp]\.?[Mm]\.?)?)?"
ISO = re.compile(
    rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}{TIME}(Z|[+-]\d{{2}}:?\d{{2}})?|\d{{4}}-(0[1-9]|1[0-2])|\d{{8}}T\d{{4,6}}Z?"
)
WRITTEN = re.compile(rf"(\d{{1,2}})([./-])(\d{{1,2}})\2(\d{{4}}){TIME}")
NAMED = re.compile(r"(\d{1,2}[ -])?[A-Za-z]{3,9}\.?[ -]\d{1,2},?[ -]\d{4}|\d{1,2}[ -][A-Za-z]{3,9}\.?[ -]\d{4}")
SHORT = re.compile(rf"\d{{1,2}}([./-])\d{{1,2}}\1\d{{2}}{TIME}")
SHORT_NAMED = re.compile(r"\d{1,2}([ -])[A-Za-z]{3}\1\d{2}")
ISO_FORMAT, MIXED = "iso", "mixed"
DAY_FIRST, MONTH_FIRST = "day_first", "month_first"


def looks_like_one(cell: str) -> bool:
    """Return whether a text is written as dates are."""
    return any(pattern.fullmatch(cell) for pattern in (ISO, WRITTEN, NAMED))


def all_written(cells: list[str], given: str) -> bool:
    """Return whether all of these texts are dates of the format `given`, as strptime has it."""
    import pandas as pd

    return not pd.to_datetime(pd.Series(cells, dtype=object), errors="coerce", format=given).isna().any()


def numbers_written(numbers: list[str], given: str) -> bool:
    """Return whether all of these whole numbers are dates of the format `given`, each written in full: 20240131."""
    import pandas as pd

    found = pd.to_datetime(pd.Series(numbers, dtype=object), errors="coerce", format=given)
    return not found.isna().any() and found.dt.strftime(given).tolist() == numbers


def short_format(cell: str) -> str | None:
    """Return how a date whose year has two digits may be written, in words for strptime; None where it is none."""
    if SHORT_NAMED.fullmatch(cell):
        return "%d{0}%b{0}%y".format("-" if "-" in cell else " ")
    if not SHORT.fullmatch(cell):
        return None
    sign = next(sign for sign in cell if not sign.isdigit())
    return " or ".join(f"%{day}{sign}%{month}{sign}%y" for day, month in ("dm", "md"))


def format_of(cells: list[str]) -> str | None:
    """Return how all of these texts are written as dates; None where they are none.

    `iso`, `day_first`, `month_first`, `mixed` (with the month's name), or `ambiguous`: 01/02/2024 may be two days.
    """
    if all(ISO.fullmatch(cell) for cell in cells):
        return ISO_FORMAT
    if all(NAMED.fullmatch(cell) for cell in cells):
        return MIXED
    matches = [WRITTEN.fullmatch(cell) for cell in cells]
    if not all(matches):
        return None
    first = max(int(match.group(1)) for match in matches if match)
    second = max(int(match.group(3)) for match in matches if match)
    if first > 12 and second > 12:
        return None
    if first > 12 or all(match.group(2) == "." for match in matches if match):
        return DAY_FIRST
    return MONTH_FIRST if second > 12 else "ambiguous"


def seconds(values: pa.ChunkedArray, written: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return a column of dates as seconds since 1970 in UTC, float64 (n,); NaN where there is none or it is no date."""
    kind = pa.types
    if kind.is_date(values.type) or kind.is_timestamp(values.type):
        return since_1970(pc.cast(values, pa.timestamp("us", tz=getattr(values.type, "tz", None)), safe=False))
    if kind.is_null(values.type):
        return np.full(len(values), np.nan)
    if kind.is_integer(values.type) and "%" in written:
        values = values.cast(pa.string())
    if not kind.is_string(values.type):
        return np.full(len(values), np.nan)

    import pandas as pd

    given = pd.Series(values.to_pylist(), dtype=object)
    given = given.str.replace(r"(:\d{2}),(\d+)", r"\1.\2", regex=True)
    styles: dict[str, dict[str, Any]] = {
        ISO_FORMAT: {"format": "ISO8601"},
        DAY_FIRST: {"format": "mixed", "dayfirst": True},
        MONTH_FIRST: {"format": "mixed", "dayfirst": False},
        MIXED: {"format": "mixed"},
    }
    style = styles.get(written, {"format": written})
    if written == ISO_FORMAT:
        given = given.str.replace(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3", regex=True)
    parsed = pd.to_datetime(given, errors="coerce", utc=True, **style)
    found = parsed.to_numpy(dtype="datetime64[us]")
    return np.where(np.isnat(found), np.nan, found.astype(np.int64) / 1e6)


def since_1970(values: pa.ChunkedArray) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return timestamps in microseconds as seconds in float64; missing ones are NaN."""
    counts = values.cast(pa.int64())
    found = np.asarray(pc.fill_null(counts, 0).to_numpy(), dtype=np.float64) / 1e6
    found[np.asarray(values.is_null().to_numpy())] = np.nan
    return found


def turns(stamps: "np.ndarray[Any, np.dtype[np.float64]]", part: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return where in its round (0 to 1) a part of each date stands; NaN where the date is missing."""
    whole = np.where(np.isnan(stamps), 0.0, stamps)
    days = np.floor(whole / DAY)
    if part == "hour":
        position = (whole - days * DAY) / 3600
    elif part == "weekday":  # 1970 began with a Thursday; 0 is Monday
        position = (days + 3) % 7
    else:
        dates = days.astype("datetime64[D]")
        years, months = dates.astype("datetime64[Y]"), dates.astype("datetime64[M]")
        elapsed = (dates - years) if part == "day" else (months - years)
        position = elapsed.astype(np.float64)
    return np.where(np.isnan(stamps), np.nan, position / CYCLES[part])
