"""Files that are written in one step, text that shows as text wherever it is put, and bounds on what is read."""

from runner.files.writing import (
    csv_text,
    finite,
    flush_directory,
    json_text,
    overwrite_json,
    remove_unfinished,
    sha256,
    write_bytes,
    write_csv,
    write_json,
    write_text,
    write_with,
)

__all__ = [
    "csv_text",
    "finite",
    "flush_directory",
    "json_text",
    "overwrite_json",
    "remove_unfinished",
    "sha256",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_text",
    "write_with",
]
