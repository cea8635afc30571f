"""Data of anybody: compressed files, tables and graphs that would take far more memory than they are, are refused."""

import bz2
import gzip
import json
import lzma
import struct
import zipfile

import pytest

from runner.data.graph.graph_level import MOST_NODES, GraphsDataModule
from runner.data.images.detection.yolo_text import _yaml
from runner.data.images.idx import read_idx
from runner.data.tables.files.content import read_content
from runner.errors import RunnerError
from runner.files import reading

MEGABYTES = 3


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch):
    """A bomb of a few megabytes stands for one of gigabytes."""
    monkeypatch.setattr(reading.unpack, "__defaults__", (100, reading.MEGABYTE))


def zipped(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", content)


PACKERS = {
    "x.csv.gz": lambda path, content: path.write_bytes(gzip.compress(content)),
    "x.csv.bz2": lambda path, content: path.write_bytes(bz2.compress(content)),
    "x.csv.xz": lambda path, content: path.write_bytes(lzma.compress(content)),
    "x.csv.zip": zipped,
}


@pytest.mark.parametrize("name", PACKERS)
def test_a_table_that_unpacks_without_end_is_refused(tmp_path, name):
    PACKERS[name](tmp_path / name, b"a,b\n1,2\n")
    assert read_content(tmp_path / name)[0] == b"a,b\n1,2\n"
    PACKERS[name](tmp_path / name, b"0" * MEGABYTES * 2**20)
    with pytest.raises(RunnerError, match="would unpack to more than"):
        read_content(tmp_path / name)


@pytest.mark.parametrize("name", PACKERS)
def test_a_damaged_compressed_table_is_told(tmp_path, name):
    PACKERS[name](tmp_path / name, b"a,b\n" + b"1,2\n" * 100)
    content = bytearray((tmp_path / name).read_bytes())
    for damaged in (content[: len(content) // 2], content[:5] + b"\xff\xff\xff" + content[8:], b""):
        (tmp_path / name).write_bytes(damaged)
        try:
            read_content(tmp_path / name)
        except RunnerError as error:
            assert str(tmp_path / name) in str(error)


def test_pictures_of_idx_that_unpack_without_end_are_refused(tmp_path):
    path = tmp_path / "x-ubyte.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + b"abc"))
    assert read_idx(path, 1).tolist() == [97, 98, 99]
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 2**32 - 1) + bytes(MEGABYTES * 2**20)))
    with pytest.raises(RunnerError, match="would unpack to more than"):
        read_idx(path, 1)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"nodes": MOST_NODES + 1, "edges": []}),
        json.dumps({"nodes": 10**30, "edges": []}),
        json.dumps({"nodes": 1e999, "edges": []}),
        '{"nodes": 2, "edges": ' + "[" * 100_000,
        '{"nodes": 2, "edges": [[0, 99999999999999999999999]]}',
        '{"nodes": 2, "edges": [["a", "b"]]}',
        '{"nodes": 2, "edges": [[0, 1, 2]]}',
        '{"nodes": {"a": 1}, "edges": []}',
        "[]",
        "null",
        "\x00",
    ],
)
def test_a_graph_that_is_none_or_endless_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(RunnerError, match=r"x\.json"):
        GraphsDataModule._graph(None, tmp_path / "x.json")


@pytest.mark.parametrize("text", ["a: &a [*a]", "[" * 10_000, "a: [", "\x00"])
def test_a_data_file_of_boxes_that_is_endless_is_refused(tmp_path, text):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(RunnerError, match="is no YAML that can be read"):
        _yaml(tmp_path / "data.yaml")
