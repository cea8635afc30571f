"""IDX: what is written is read back, raw or gzipped; a damaged file is named with what was expected and found."""

import gzip
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.data.images.idx import read_idx, read_pair
from runner.errors import RunnerError


def encode(values: torch.Tensor) -> bytes:
    return struct.pack(f">BBBB{values.dim()}I", 0, 0, 8, values.dim(), *values.shape) + values.numpy().tobytes()


IMAGES = torch.arange(2 * 3 * 4, dtype=torch.uint8).reshape(2, 3, 4)
LABELS = torch.tensor([7, 9], dtype=torch.uint8)


@given(shape=st.lists(st.integers(0, 6), min_size=1, max_size=3), zipped=st.booleans())
@settings(max_examples=30)
def test_any_tensor_comes_back_as_it_was(tmp_path_factory, shape, zipped):
    values = torch.randint(0, 256, shape, dtype=torch.uint8)
    path = tmp_path_factory.mktemp("idx") / ("file.gz" if zipped else "file")
    path.write_bytes(gzip.compress(encode(values), mtime=0) if zipped else encode(values))
    assert torch.equal(read_idx(path, len(shape)), values)


def test_images_gain_a_channel_and_labels_become_int64(tmp_path):
    (tmp_path / "images").write_bytes(encode(IMAGES))
    (tmp_path / "labels").write_bytes(encode(LABELS))
    images, labels = read_pair(tmp_path / "images", tmp_path / "labels")
    assert torch.equal(images, IMAGES[:, None]) and images.dtype == torch.uint8
    assert labels.tolist() == [7, 9] and labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("short", encode(IMAGES)[:-5], r"expected 40 bytes for shape \[2, 3, 4\], found 35 bytes"),
        ("long", encode(IMAGES) + b"xx", "expected 40 bytes .* found 42 bytes"),
        ("cut-header", encode(IMAGES)[:9], "expected a header of 16 bytes, found 9 bytes"),
        ("labels-for-images", encode(LABELS), "begins with 00000801 where 00000803 belongs"),
        ("html", b"<html>not found</html>", "begins with 3c68746d where 00000803 belongs"),
        ("empty", b"", "begins with nothing"),
        ("cut.gz", gzip.compress(encode(IMAGES), mtime=0)[:-9], "ended before"),
        ("plain.gz", encode(IMAGES), "Not a gzipped file"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, name, content, found):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RunnerError, match=found) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith("Delete it and run again to download.")


def test_unequal_counts_are_told(tmp_path):
    (tmp_path / "images").write_bytes(encode(IMAGES))
    (tmp_path / "labels").write_bytes(encode(LABELS[:1]))
    with pytest.raises(RunnerError, match=r"labels is damaged: it has 1 labels, but .*images has 2 images"):
        read_pair(tmp_path / "images", tmp_path / "labels")


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(RunnerError, match=r"missing can't be read \(No such file"):
        read_idx(tmp_path / "missing", 3)
