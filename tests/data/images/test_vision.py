"""MNIST and relatives: files are found where they may lie, only read, and else fetched through torchvision."""

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from runner.data.images.vision import Cifar10, FashionMnist, Mnist
from runner.errors import RunnerError
from tests.support.mnist import idx

GREY = {"channels": 1, "image_size": 28, "num_classes": 10, "mean": [0.1307], "std": [0.3081]}
RGB = {"channels": 3, "image_size": 32, "num_classes": 10, "mean": [0.5] * 3, "std": [0.25] * 3}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def write_idx(folder: Path, *, zipped: bool = False) -> None:
    """100 training and 20 test images; every pixel of image i is i % 250."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 100), ("t10k", 20)):
        numbers = torch.arange(count)
        images = (numbers % 250).to(torch.uint8)[:, None, None].expand(count, 28, 28).contiguous()
        files = {f"{part}-images-idx3-ubyte": images, f"{part}-labels-idx1-ubyte": (numbers % 10).to(torch.uint8)}
        for name, values in files.items():
            content = gzip.compress(idx(values)) if zipped else idx(values)
            (folder / (f"{name}.gz" if zipped else name)).write_bytes(content)


@pytest.fixture
def offline(monkeypatch):
    def refuse(self):
        raise RuntimeError("no network")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", refuse)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "download", refuse)
    monkeypatch.setattr(FashionMnist, "system_folders", ())


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("place", ["", "MNIST/raw", "raw"])
def test_files_are_found_raw_or_zipped_and_nothing_is_written(tmp_path, offline, place, zipped):
    write_idx(tmp_path / place, zipped=zipped)
    before = sorted(tmp_path.rglob("*"))
    data = Mnist(root=str(tmp_path), **GREY)
    data.setup()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 90, "val": 10, "test": 20}
    test = data.splits["test"]
    assert test.inputs[:, 0, 0, 0].tolist() == list(range(20)) and test.targets.tolist() == [*range(10)] * 2
    assert sorted(
        data.splits["train"].inputs[:, 0, 5, 5].tolist() + data.splits["val"].inputs[:, 0, 5, 5].tolist()
    ) == [*range(100)]
    assert sorted(tmp_path.rglob("*")) == before


def test_validation_split_is_stratified(tmp_path, offline):
    write_idx(tmp_path)
    data = Mnist(root=str(tmp_path), **GREY)
    data.setup()
    assert data.splits["val"].targets.bincount().tolist() == [1] * 10


@pytest.mark.parametrize(("kind", "package"), [(Mnist, False), (FashionMnist, True)])
def test_missing_files_say_where_it_looked_and_what_ships(tmp_path, offline, kind, package):
    data = kind(root=str(tmp_path / "nowhere"), **GREY)
    with pytest.raises(RunnerError) as caught:
        data.setup()
    message = str(caught.value)
    assert "could not be downloaded (no network)" in message
    assert str(tmp_path / "nowhere" / kind.dataset.__name__ / "raw") in message
    assert all(name in message for name in ("digits", "diabetes", "line", "hours"))
    assert ("apt install dataset-fashion-mnist" in message) == package


def test_a_root_that_cannot_be_written_is_told(tmp_path, offline):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunnerError, match="could not be downloaded"):
        Mnist(root=str(tmp_path / "file" / "below"), **GREY).setup()


def test_missing_files_are_downloaded_through_torchvision(tmp_path, monkeypatch):
    def fetch(self):
        write_idx(Path(self.raw_folder))

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", fetch)
    data = Mnist(root=str(tmp_path), **GREY)
    data.setup()
    assert len(data.splits["test"]) == 20


def test_a_truncated_file_is_named(tmp_path, offline):
    write_idx(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunnerError, match=r"t10k-images-idx3-ubyte is damaged: expected 15696 bytes .* found 15695"):
        Mnist(root=str(tmp_path), **GREY).setup()


def test_the_files_hold_what_torchvision_reads_in_them(mnist_data):
    data = Mnist(root=str(mnist_data), **GREY)
    data.setup()
    theirs = torchvision.datasets.MNIST(str(mnist_data), train=False)
    assert torch.equal(data.splits["test"].inputs[:, 0], theirs.data)
    assert torch.equal(data.splits["test"].targets, theirs.targets)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 1080, "val": 120, "test": 300}


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist_is_found(tmp_path):
    data = FashionMnist(root=str(tmp_path), **GREY)
    data.setup()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 54000, "val": 6000, "test": 10000}
    assert data.class_names[:2] == ("T-shirt/top", "Trouser")
    pixels = data.unit(data.splits["train"].inputs)
    assert abs(pixels.mean() - 0.2860) < 1e-3 and abs(pixels.std() - 0.3530) < 1e-3


@pytest.fixture
def cifar(tmp_path, monkeypatch) -> Path:
    """A tiny CIFAR-10 whose checksums torchvision is told."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    names = list(torchvision.datasets.CIFAR10.classes) if hasattr(torchvision.datasets.CIFAR10, "classes") else []
    contents = {"batches.meta": {"label_names": names or [f"class {i}" for i in range(10)]}}
    for index, name in enumerate(["data_batch_1", "test_batch"]):
        pixels = np.arange(20 * 3072, dtype=np.int64).reshape(20, 3072) + index
        contents[name] = {"data": (pixels % 256).astype(np.uint8), "labels": [*range(10)] * 2}
    sums = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(kind, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(kind, "meta", {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]})
    return folder


def test_cifar_planes_become_channels(cifar, offline):
    data = Cifar10(root=str(cifar.parent), **{**RGB}, validation_fraction=0.5)
    data.setup()
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 10, "val": 10, "test": 20}
    first = data.splits["test"].inputs[0]
    assert first.shape == (3, 32, 32)
    assert torch.equal(first.flatten(), (torch.arange(3072) + 1).to(torch.uint8))


def test_cifar_with_a_wrong_checksum_is_never_unpickled(cifar, offline):
    class Trap:
        def __reduce__(self):
            return (Path.write_text, (cifar / "opened", "the pickle was opened"))

    (cifar / "test_batch").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(RunnerError, match="CIFAR-10 is not there and could not be downloaded"):
        Cifar10(root=str(cifar.parent), **RGB).setup()
    assert not (cifar / "opened").exists()
