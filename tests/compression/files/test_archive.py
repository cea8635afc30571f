"""Small archives: fewer bytes, the same tensors, read by torch.export itself."""

import io
import json
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from runner.compression.files.archive import ALIGNMENT, deflated, gathered
from runner.compression.files.program import export_program


class Mixed(nn.Module):
    """Tensors of several types, one of them part of another's memory, one in channels-last order, one empty."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
        self.register_buffer("codes", torch.randint(-128, 127, (5, 3), dtype=torch.int8))
        self.register_buffer("points", torch.arange(5))
        self.register_buffer("table", torch.randn(4, 5))
        self.register_buffer("row", self.table[2])
        self.register_buffer("turned", torch.randn(1, dtype=torch.complex64))
        self.register_buffer("nothing", torch.empty(0))

    def forward(self, images: Tensor) -> Tensor:
        sums = self.convolution(images).mean((2, 3)) + self.row + self.points + self.turned.abs()
        return sums * self.codes.float().mean(1) + self.table.sum(0) + self.nothing.sum()


def stored(network: nn.Module, images: Tensor) -> io.BytesIO:
    archive = io.BytesIO()
    torch.export.save(export_program(network, images), archive)
    return archive


def entries(archive: io.BytesIO) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name.partition("/")[2]: file.read(name) for name in file.namelist()}


def test_torch_reads_the_same_tensors_from_fewer_bytes(tmp_path: Path) -> None:
    network, images = Mixed().eval(), torch.randn(2, 3, 6, 6)
    archive = stored(network, images)
    small = deflated(archive)
    assert len(small) < 0.5 * len(archive.getvalue())
    wanted, got = (torch.export.load(io.BytesIO(each)) for each in (archive.getvalue(), small))
    assert wanted.state_dict.keys() == got.state_dict.keys()
    for name, tensor in wanted.state_dict.items():
        assert torch.equal(got.state_dict[name], tensor)
        assert got.state_dict[name].stride() == tensor.stride()
        assert type(got.state_dict[name]) is type(tensor)
    assert torch.equal(got.module()(images), network(images))


def test_there_is_one_entry_for_each_type_and_its_tensors_are_aligned() -> None:
    network, images = Mixed().eval(), torch.randn(2, 3, 6, 6)
    before = entries(stored(network, images))
    after = gathered(before)
    config = json.loads(after["data/weights/model_weights_config.json"])["config"]
    paths = {name: described["path_name"] for name, described in config.items()}
    assert len({paths["convolution.weight"], paths["convolution.bias"], paths["table"], paths["row"]}) == 2
    assert len({paths["table"], paths["codes"], paths["points"], paths["turned"], paths["nothing"]}) == 5
    for name, size in (("convolution.bias", 4), ("table", 4), ("codes", 1), ("points", 8)):
        assert config[name]["tensor_meta"]["storage_offset"]["as_int"] * size % ALIGNMENT == 0
    assert config["row"]["tensor_meta"]["storage_offset"]["as_int"] * 4 % ALIGNMENT == 2 * 5 * 4 % ALIGNMENT
    assert len(after) < len(before)


def test_an_archive_without_tensors_stays_as_it_is() -> None:
    plain = {"byteorder": b"little", "data/weights/model_weights_config.json": b'{"config": {}}'}
    assert gathered(plain) == plain
