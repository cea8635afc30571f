"""Nothing is read that would take more memory than its kind has a reason to, and it is told before."""

import io
import os
import zipfile

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.files.reading import TooLargeError, check_yaml, check_zip, parse_json, read_bytes, unpack

FEW = settings(max_examples=60, derandomize=True, database=None)


def test_a_pipe_and_a_device_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(ValueError, match="no regular file"):
            read_bytes(tmp_path / name)


def test_a_large_file_is_refused_by_its_size(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(TooLargeError, match=r"1,099,511,627,776 bytes, and at most 16,777,216"):
        read_bytes(tmp_path / "x")
    (tmp_path / "y").write_bytes(b"abc")
    assert read_bytes(tmp_path / "y", most=3) == b"abc"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested deeper"),
        ("[" * 200 + "]" * 200, "nested deeper"),
        ('{"a":' * 200 + "1" + "}" * 200, "nested deeper"),
        ("[" + "[]," * 600_000 + "[]]", "more than 500,000 values"),
        ("[" + "1," * 600_000 + "1]", "more than 500,000 values"),
        ('{"a": ', "Expecting value"),
        (b"\xff\xfe\x00", "decode"),
    ],
)
def test_json_that_is_none_too_deep_or_too_much_is_refused(text, told):
    with pytest.raises(ValueError, match=told):
        parse_json(text)


def test_json_has_no_numbers_that_a_computer_has_not():
    found = parse_json("[1, -9223372036854775808, 1" + "0" * 4000 + ", 1e999, NaN]")
    assert found[:2] == [1, -(2**63)] and found[2] == found[3] == float("inf")


def laughs(levels, width=10):
    lines = ["a0: &a0 [" + ",".join("x" * width) + "]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (laughs(9), "more than 500,000 values once its anchors"),
        ("a: &a " + "x" * 100_000 + "\nb: [" + ",".join(["*a"] * 2000) + "]", "more than 500,000 values"),
        ("a: &a [*a]", "refers to itself"),
        ("a: &a {b: *a}", "refers to itself"),
        ("[" * 100_000, "nested deeper"),
        ("- " * 5000 + "a", "nested deeper"),
        ("a: " + "9" * 100_000, "a number of 100,000 digits"),
        ("a: " + ":".join(["59"] * 10_000), "a number of"),
    ],
)
def test_yaml_is_refused_before_it_is_read(text, told):
    with pytest.raises(ValueError, match=told):
        check_yaml(text)


def test_usual_yaml_passes():
    check_yaml(laughs(3))
    check_yaml("a: &a {lr: 1}\nb: *a\nc: {<<: *a, x: 2}\nd: [1, '2', null]\n")
    with pytest.raises(yaml.YAMLError):
        check_yaml("a: [")


NODE = st.recursive(
    st.integers() | st.text("ab&*:", max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=4),
    max_leaves=20,
)


def count(node):
    """Nodes of a document, keys included, aliases as often as they stand there."""
    if isinstance(node, dict):
        return 1 + sum(1 + count(each) for each in node.values())
    return 1 + sum(map(count, node)) if isinstance(node, list) else 1


@FEW
@given(NODE)
def test_yaml_is_counted_with_its_aliases(node):
    text = yaml.safe_dump([node, node, [node]])
    nodes = count([node, node, [node]])
    check_yaml(text, nodes=nodes)
    with pytest.raises(TooLargeError):
        check_yaml(text, nodes=nodes - 1)


def archive_of(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path):
    (tmp_path / "bomb.zip").write_bytes(archive_of({"a": bytes(10_000_000)}))
    with zipfile.ZipFile(tmp_path / "bomb.zip") as archive:
        with pytest.raises(TooLargeError, match="would unpack to 10,000,000"):
            check_zip(archive, ratio=4, spare=1000)
        check_zip(archive, ratio=4)


def test_an_archive_of_very_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("runner.files.reading.MEMBERS", 10)
    (tmp_path / "many.zip").write_bytes(archive_of({str(number): b"" for number in range(11)}))
    with zipfile.ZipFile(tmp_path / "many.zip") as archive, pytest.raises(TooLargeError, match="11 members"):
        check_zip(archive, ratio=4)


def test_a_compressed_file_is_unpacked_as_far_as_it_may(tmp_path):
    assert unpack(io.BytesIO(b"x" * 100), packed=1, ratio=1, spare=99) == b"x" * 100
    with pytest.raises(TooLargeError, match="unpack to more than 100"):
        unpack(io.BytesIO(b"x" * 101), packed=1, ratio=1, spare=99)
