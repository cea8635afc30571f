"""Files of weights that would take far more memory than they are, or hold what no network wrote, are refused."""

import json
import struct
import zipfile
import zlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.compression.files.packed import inflated
from runner.errors import RunnerError
from runner.files.reading import BYTES, MEGABYTE, check_zip
from runner.tracking import checkpoints
from runner.tracking.weights import files

FEW = settings(
    max_examples=25,
    derandomize=True,
    database=None,
)
OWN = {"state_dict": {"network.w": torch.ones(4)}, "structure": [], "epoch": 1, "global_step": 5, "metrics": {}}


def read_both(path):
    """What both readers of checkpoints say of a file, as messages; nothing else may be raised."""
    told = []
    for read in (checkpoints.read_checkpoint, checkpoints.read_any):
        try:
            read(path)
        except RunnerError as error:
            assert str(path) in str(error)
            told.append(str(error))
    return told


def test_a_checkpoint_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(check_zip, "__defaults__", (MEGABYTE,))
    torch.save({"state_dict": {"w": torch.zeros(1_000_000)}}, tmp_path / "good.ckpt")
    with (
        zipfile.ZipFile(tmp_path / "good.ckpt") as good,
        zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb,
    ):
        for name in good.namelist():
            bomb.writestr(name, good.read(name))
    (tmp_path / "good.ckpt").unlink()
    told = read_both(tmp_path / "bomb.ckpt")
    assert len(told) == 2 and all("would unpack to 4,00" in each for each in told)


def test_a_tensor_that_stands_for_far_more_numbers_than_it_has_is_refused(tmp_path):
    torch.save({"state_dict": {"w": torch.zeros(1).expand(10**12)}}, tmp_path / "x.ckpt")
    told = read_both(tmp_path / "x.ckpt")
    assert len(told) == 2 and all("a tensor of 1,000,000,000,000 numbers has 4 bytes" in each for each in told)
    torch.save({"state_dict": {"w": torch.zeros(1).expand(100)}}, tmp_path / "small.ckpt")
    assert read_both(tmp_path / "small.ckpt") == []


STRANGE = (None, True, "x", -1, [], [None], {}, {"a": 1}, torch.ones(2), [[1]], {1: 2})


@FEW
@given(st.dictionaries(st.sampled_from([*OWN, "curves", "loops"]), st.sampled_from(STRANGE), min_size=1, max_size=3))
def test_entries_of_other_types_are_refused_by_name(tmp_path, changes):
    torch.save({**OWN, **changes}, tmp_path / "x.ckpt")
    read_both(tmp_path / "x.ckpt")
    try:
        content = checkpoints.read_checkpoint(tmp_path / "x.ckpt")
    except RunnerError:
        return
    assert isinstance(content["state_dict"], dict) and isinstance(content.get("epoch", 0), int)
    assert all(isinstance(step, dict) for step in content.get("structure", []))


@pytest.mark.parametrize("counts", [{}, {"ready": 1}, {"ready": 1, "processed": None}, 3])
def test_counts_of_epochs_are_those_of_lightning(tmp_path, counts):
    torch.save({**OWN, "loops": {"fit_loop": {"epoch_progress": {"current": counts}}}}, tmp_path / "x.ckpt")
    with pytest.raises(RunnerError, match=r"loops=.*: must be counts of epochs"):
        checkpoints.read_checkpoint(tmp_path / "x.ckpt")


@FEW
@given(st.data())
def test_a_changed_byte_is_told_or_changes_nothing(tmp_path, data):
    path = tmp_path / "x.ckpt"
    torch.save(OWN, path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), place]))])
    try:
        found = checkpoints.read_checkpoint(path)
    except RunnerError as error:
        assert str(path) in str(error)
    else:
        assert torch.equal(found["state_dict"]["network.w"], torch.ones(4))


def safetensors(header, content=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "content",
    [
        safetensors({}, length=2**62),
        safetensors({}, length=200_000_000),
        safetensors(b"[" * 100_000),
        safetensors(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        safetensors({"w": {**ONE, "shape": [10**12]}}, bytes(4)),
        safetensors({"w": {**ONE, "shape": [2**63, 4]}}, bytes(4)),
        safetensors({"w": {**ONE, "data_offsets": [0, 2**60]}}, bytes(4)),
        safetensors({"w": {**ONE, "data_offsets": [4, 0]}}, bytes(4)),
        safetensors({"w": ONE, "v": ONE}, bytes(4)),
        safetensors({"w": {**ONE, "dtype": "PICKLE"}}, bytes(4)),
        safetensors({"w": ONE, "__metadata__": {"structure": "[" * 100_000}}, bytes(4)),
        safetensors({"w": ONE, "__metadata__": {"structure": "[1, 2]"}}, bytes(4)),
        safetensors({"w": ONE, "__metadata__": {"structure": "5"}}, bytes(4)),
        safetensors({"w": ONE}, b""),
        b"",
        b"\0" * 7,
    ],
)
def test_a_safetensors_file_that_lies_about_itself_is_refused(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(RunnerError, match=r"x\.safetensors: damaged"):
        files.read(tmp_path / "x.safetensors")


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '{"weight_map": 5}', '{"weight_map": {"a": 5}}', "{", "\x00"])
def test_an_index_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "x.index.json").write_text(text)
    with pytest.raises(RunnerError, match=r"x\.index\.json"):
        files.read(tmp_path / "x.index.json")


def test_a_header_that_unpacks_without_end_is_refused():
    assert inflated(zlib.compress(b"{}")) == b"{}"
    for content in (zlib.compress(bytes(BYTES + 1)), zlib.compress(b"{}")[:-2]):
        with pytest.raises(ValueError, match="cut off, or larger"):
            inflated(content)
