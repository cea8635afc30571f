"""Files of tables as people have them: separators, signs, encodings, archives give the same columns, or a reason."""

import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from runner.data.tables.delimited import Table, read_table
from runner.data.tables.files.dialect import Dialect
from runner.errors import RunnerError

PLAIN = 'name,x,y\n"a, b",1,2.5\nc,3,4.5\n'
COLUMNS = {"name": ["a, b", "c"], "x": [1, 3], "y": [2.5, 4.5]}


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def columns(table: Table) -> dict[str, list]:
    return table.data.to_pydict()


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        'name;x;y\n"a, b";1;2.5\nc;3;4.5\n',
        'name\tx\ty\n"a, b"\t1\t2.5\nc\t3\t4.5\n',
        'name|x|y\n"a, b"|1|2.5\nc|3|4.5\n',
        'sep=;\nname;x;y\n"a, b";1;2.5\nc;3;4.5\n',
        "SEP=\t\r\nname\tx\ty\r\na, b\t1\t2.5\r\nc\t3\t4.5\r\n",
        'name;x;y\n"a, b";1;2,5\nc;3;4,5\n',
        '\n\nname, x, y\n"a, b", 1, 2.5\n\n  \nc, 3, 4.5\n,,\n',
        'name, x, y\n "a, b", 1, 2.5\nc, 3, 4.5',
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-32"),
    ],
)
def test_however_a_table_is_written_its_columns_are_the_same(tmp_path, content):
    assert columns(read_table(write(tmp_path, content))) == COLUMNS


def test_archives_are_opened(tmp_path):
    zipped = tmp_path / "t.csv.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("folder/t.csv", PLAIN)
        archive.writestr("__MACOSX/t.csv", "x")
    assert columns(read_table(write(tmp_path, gzip.compress(PLAIN.encode()), "t.csv.gz"))) == COLUMNS
    assert columns(read_table(zipped)) == COLUMNS
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr("u.csv", PLAIN)
    with pytest.raises(RunnerError, match=r"holds 2 files \(folder/t.csv, u.csv\)"):
        read_table(zipped)
    with pytest.raises(RunnerError, match=r"t\.csv\.gz can't be read"):
        read_table(write(tmp_path, gzip.compress(PLAIN.encode())[:30], "t.csv.gz"))


def test_parquet_keeps_types_and_pandas_index_has_no_name(tmp_path):
    path = tmp_path / "t.parquet"
    kinds = pa.table({
        "x": pa.array([1, None], pa.int32()),
        "colour": pa.array(["red", "blue"]).dictionary_encode(),
        "__index_level_0__": [5, 6],
    })  # fmt: skip
    pa.parquet.write_table(kinds, path)
    assert columns(read_table(path)) == {"x": [1, None], "colour": ["red", "blue"], "Unnamed: 2": [5, 6]}
    pa.parquet.write_table(pa.table({"x": [[1], [2]]}), path)
    with pytest.raises(RunnerError, match=r"column 'x': holds list<.*Leave the column out"):
        read_table(path).values("x")
    with pytest.raises(RunnerError, match="can't be read as a table"):
        read_table(write(tmp_path, "no parquet", "u.parquet"))


def test_quoted_cells_hold_line_breaks_and_separators_and_lines_are_told_rightly(tmp_path):
    path = write(tmp_path, 'text,x\n"two\nlines; and, more",1\n\nplain,2\n')
    table = read_table(path)
    assert columns(table) == {"text": ["two\nlines; and, more", "plain"], "x": [1, 2]}
    assert table.lines == [3, 5]
    assert table.place("x", 1) == (f"{path}, line 5, column 'x'", "2")


def test_a_separator_that_stands_in_quotes_alone_divides_nothing(tmp_path):
    path = write(tmp_path, '"weight, in kg";"size; in m";y\n"1, 2, 3";2;3\n"4, 5";5;6\n')
    assert columns(read_table(path)) == {"weight, in kg": ["1, 2, 3", "4, 5"], "size; in m": [2, 5], "y": [3, 6]}


def test_what_is_not_utf8_is_read_as_cp1252_and_said(tmp_path):
    path = write(tmp_path, "größe,y\n1,2\n3,€\n".encode("cp1252"))
    table = read_table(path)
    assert table.columns == ("größe", "y")
    assert table.column("y") == ["2", "€"]
    assert table.notes == [f"{path} is not UTF-8 (line 1), so it is read as cp1252; data.encoding says otherwise."]
    assert read_table(path, Dialect(encoding="cp1252")).notes == []
    assert read_table(write(tmp_path, b"a,b\n\x81,1\n")).column("a") == ["\x81"]
    with pytest.raises(RunnerError, match="it is not utf-8"):
        read_table(path, Dialect(encoding="utf-8"))
    with pytest.raises(RunnerError, match=r"data\.encoding=klingon: there is no such encoding"):
        read_table(path, Dialect(encoding="klingon"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,\x002\n", "byte 6 is NUL"),
        (b"PK\x03\x04....", "an Excel workbook or an archive"),
        (b"\xd0\xcf\x11\xe0....", "an Excel workbook"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n \n", "is empty"),
        (b"a,b\n", "a header line and no rows"),
        (b"a,b\n,\n", "a header line and no rows"),
        (b"a,b\n1,2\n3\n4,5\n", "line 3: 1 values, but the header names 2 columns"),
        (b"a,b\n1,2\n\n3,4,5\n", "line 4: 3 values, but the header names 2 columns"),
        (b'a,b\n"x\ny",2\n3,4,5\n', "line 4: 3 values"),
        (b"1,1\n2,3\n", r"more than one column named 1\..*set data.header=false"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, content, message):
    with pytest.raises(RunnerError, match=message):
        read_table(write(tmp_path, content))


def test_types_are_told_by_every_row_of_a_long_file(tmp_path):
    rows = "1,1,x\n" * 900_000
    table = read_table(write(tmp_path, f"a,b,c\n{rows}2.5,oh,y\n"))
    assert [str(kind) for kind in table.data.schema.types] == ["double", "string", "string"]
    assert table.data.slice(900_000).to_pydict() == {"a": [2.5], "b": ["oh"], "c": ["y"]}


@pytest.mark.parametrize(
    ("text", "dialect", "values"),
    [
        ('x,y\n"2,033",1\n"1,002,000",2\n', {"thousands": "comma"}, [2033, 1_002_000]),
        ('x,y\n"2,033.5",1\n"-12",2\n', {"thousands": ","}, [2033.5, -12]),
        ("x;y\n1.234,5;1\n7;2\n", {}, [1234.5, 7]),
        ("x;y\n2,033;1\n7,1;2\n", {}, [2.033, 7.1]),
        ("x;y\n2,033;1\n7;2\n", {"decimal": "comma"}, [2.033, 7]),
        ("x;y\n1.234;1\n7;2\n", {"decimal": "comma", "thousands": "point"}, [1234, 7]),
        ("x;y\n1'234;1\n7;2\n", {"thousands": "apostrophe"}, [1234, 7]),
        ("x;y\n1 234;1\n7;2\n", {"thousands": "space"}, [1234, 7]),
        ("x;y\n2_033;1\n7;2\n", {"thousands": "_"}, [2033, 7]),
        ('x,y\n"2,07",1\n"3,1",2\n', {"decimal": ","}, [2.07, 3.1]),
        ("x:y\n2:1\n3:2\n", {"delimiter": ":"}, [2, 3]),
        ("x y\n2 1\n3 2\n", {"delimiter": "space"}, [2, 3]),
        ("x,y\n none ,1\n3,2\n", {}, [None, 3]),
        ("x,y\nabsent,1\n3,2\n", {"missing_values": ("absent",)}, [None, 3]),
        ("9007199254740993,1\n3,2\n", {"header": False}, [9007199254740993, 3]),
    ],
)
def test_numbers_are_read_as_the_settings_say(tmp_path, text, dialect, values):
    table = read_table(write(tmp_path, text), Dialect(**dialect))
    assert table.data.column(0).to_pylist() == values


def test_a_decimal_comma_that_was_recognised_is_said(tmp_path):
    table = read_table(write(tmp_path, "x;y\n1.234,5;1\n7;2\n"))
    assert (table.dialect.decimal, table.dialect.thousands) == (",", ".")
    assert table.notes == [
        f"{table.path} writes numbers with a decimal comma, '.' between thousands; data.decimal says otherwise."
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delimiter": "semikolon"}, "data.delimiter=semikolon: must be one character or comma, semicolon, tab"),
        ({"decimal": ";"}, "data.decimal=;: must be comma, point"),
        ({"thousands": "."}, "data.thousands=. is the decimal sign as well"),
        ({"thousands": ",", "decimal": "comma"}, "is the decimal sign as well"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(RunnerError, match=message):
        Dialect(**settings)


class TestEndlessLines:
    """A file without ends of lines is refused before memory is taken for it."""

    def sparse(self, folder: Path, head: str, size: int = 1 << 36) -> Path:
        path = write(folder, head)
        with path.open("r+b") as file:
            file.truncate(size)
        return path

    @pytest.mark.parametrize("head", ["", "x,y\n1,2\n"])
    def test_of_any_size(self, tmp_path, head):
        path = self.sparse(tmp_path, head)
        with pytest.raises(RunnerError, match=rf"a line of it, from byte {len(head)} on, has more than 16,777,216"):
            read_table(path)

    def test_long_files_of_lines_are_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr("runner.data.tables.files.content.LINE", 8)
        assert columns(read_table(write(tmp_path, "x,y\n" + "1,2\n" * 100))) == {"x": [1] * 100, "y": [2] * 100}
        assert columns(read_table(write(tmp_path, "x,y\r" + "1,2\r" * 100)))["x"] == [1] * 100
