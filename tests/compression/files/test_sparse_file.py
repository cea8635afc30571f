"""Sparse files: exact round trips, and smaller where there are zeros."""

import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from runner.compression.files.sparse import dense_bytes, load_sparse, pack, save_sparse, unpack, verdict
from runner.compression.pruning.magnitude import MagnitudePruning
from runner.compression.pruning.recipe import PruningContext
from runner.errors import RunnerError


@given(st.lists(st.booleans(), max_size=40))
def test_bits_come_back_and_take_one_eighth_of_a_byte(bits):
    packed = pack(torch.tensor(bits, dtype=torch.bool))
    assert len(packed) == -(-len(bits) // 8)
    assert unpack(packed, len(bits)).tolist() == bits


@settings(max_examples=20)
@given(st.sampled_from(["float32", "float16", "bfloat16", "float64", "int64", "bool"]), st.floats(0, 1))
def test_tensors_come_back_bit_for_bit(tmp_path_factory, dtype, share):
    path = tmp_path_factory.mktemp("sparse") / "network.zip"
    values = (torch.randn(7, 5) * 10).to(getattr(torch, dtype)) * (torch.rand(7, 5) >= share).to(getattr(torch, dtype))
    tensors = {"layer.weight": values, "scalar": torch.tensor(3), "empty": torch.empty(0, 4)}
    assert save_sparse(tensors, path) == path.stat().st_size
    found = load_sparse(path, tensors)
    assert list(found) == list(tensors)
    for name, each in tensors.items():
        assert found[name].dtype == each.dtype
        assert torch.equal(found[name], each)


def test_a_network_with_nine_zeros_in_ten_takes_less_than_a_fifth_of_its_bytes(tmp_path):
    network = nn.Sequential(nn.Linear(200, 100), nn.Linear(100, 10))
    pruned = MagnitudePruning(ratio=0.9).apply(network, 0.9, PruningContext(network, None)).network
    size = save_sparse(pruned.state_dict(), tmp_path / "pruned.zip")
    dense = dense_bytes(pruned.state_dict())
    assert dense == 4 * (20000 + 100 + 1000 + 10)
    assert size < 0.2 * dense
    assert size > dense * (0.1 + 1 / 32) * 0.8, "smaller than its values and bitmap can be"
    assert "A dense program takes as long as before" in verdict(0.9, dense, size)


def test_damaged_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "network.zip"
    with pytest.raises(RunnerError, match="There is no file"):
        load_sparse(path, {})
    save_sparse({"weight": torch.randn(300)}, path)
    content = bytearray(path.read_bytes())
    content[100:140] = b"x" * 40
    path.write_bytes(content)
    with pytest.raises(RunnerError, match="damaged or no sparse file"):
        load_sparse(path, {"weight": torch.empty(300)})


def test_a_file_of_another_network_is_refused_by_name_and_shape(tmp_path):
    path = tmp_path / "network.zip"
    save_sparse({"weight": torch.randn(3, 2)}, path)
    with pytest.raises(RunnerError, match="another network"):
        load_sparse(path, {"bias": torch.empty(3, 2)})
    with pytest.raises(RunnerError, match=r"weight is float32 \[3, 2\], not float32 \[2, 3\]"):
        load_sparse(path, {"weight": torch.empty(2, 3)})


@pytest.mark.parametrize("entry", ["weight.values", "weight.bitmap", "index.json"])
def test_an_entry_larger_than_the_network_is_never_unpacked(entry, tmp_path, monkeypatch):
    path = tmp_path / "network.zip"
    weight = torch.zeros(800)
    weight[3] = 1
    save_sparse({"weight": weight}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, b" " * 10**7 if name == entry else content)
    read = zipfile.ZipFile.read
    unpacked: list[str] = []

    def recorded(archive, name, *rest):
        unpacked.append(name)
        return read(archive, name, *rest)

    monkeypatch.setattr(zipfile.ZipFile, "read", recorded)
    with pytest.raises(RunnerError, match="damaged or no sparse file"):
        load_sparse(path, {"weight": weight})
    assert entry not in unpacked
