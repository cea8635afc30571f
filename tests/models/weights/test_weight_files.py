"""Trained weights are found where they may lie, checked by their sums, never unpickled, and missed in clear words."""

import hashlib
import pickle
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from runner.models.timm import timm_model
from runner.models.torchvision import torchvision_model
from runner.models.weights import files

NETWORK = "test_resnet"
NAME = timm.models.get_pretrained_cfg(NETWORK).hf_hub_id.rpartition("/")[2]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty RUNNER_WEIGHTS; the caches of the libraries are empty, too, and downloads forbidden."""
    own = tmp_path / "weights"
    own.mkdir()
    monkeypatch.setenv("RUNNER_WEIGHTS", str(own))
    monkeypatch.setenv("RUNNER_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return own


def sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def timm_file(path: Path) -> torch.Tensor:
    """Write weights of timm's smallest network; return the kernels of its first convolution."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(5)
    state = timm.create_model(NETWORK).state_dict()
    save_file(state, path)
    return state["conv1.0.weight"]


@pytest.mark.parametrize("place", [f"{NAME}.safetensors", f"{NAME}/model.safetensors"])
def test_timms_weights_lie_in_the_users_folder(folder, place):
    kernels = timm_file(folder / place)
    network = timm_model(NETWORK, 3, 32, 10, pretrained=True)
    assert torch.equal(network.get_parameter("conv1.0.weight"), kernels)
    assert network.get_classifier().out_features == 10


def test_the_hubs_cache_is_used_offline_and_its_file_checked(folder, tmp_path):
    timm_file(tmp_path / "file")
    snapshot = tmp_path / "hub" / f"models--timm--{NAME}"
    (snapshot / "refs").mkdir(parents=True)
    (snapshot / "refs/main").write_text("abc")
    (snapshot / "snapshots/abc").mkdir(parents=True)
    blob = snapshot / "blobs" / sum_of(tmp_path / "file")
    blob.parent.mkdir()
    (tmp_path / "file").rename(blob)
    (snapshot / "snapshots/abc/model.safetensors").symlink_to(blob)
    timm_model(NETWORK, 3, 32, 10, pretrained=True)
    blob.write_bytes(blob.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged, or another file: its SHA-256 begins with"):
        timm_model(NETWORK, 3, 32, 10, pretrained=True)


def test_sums_beside_the_files_are_compared(folder):
    path = folder / f"{NAME}.safetensors"
    timm_file(path)
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  another.pth\n{sum_of(path)} *{path.name}\n")
    timm_model(NETWORK, 3, 32, 10, pretrained=True)
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(ValueError, match=rf"begins with {sum_of(path)[:16]}, not {'0' * 16}\. Get it anew"):
        timm_model(NETWORK, 3, 32, 10, pretrained=True)


@pytest.mark.parametrize("build", [timm_model, torchvision_model])
def test_what_was_looked_for_and_where_is_told(folder, build):
    with pytest.raises(ValueError, match=r"RUNNER_OFFLINE forbids to download them\). Looked for:") as caught:
        build("resnet18", 3, 32, 10, pretrained=True)
    name = "resnet18.a1_in1k.safetensors" if build is timm_model else "resnet18-f37072fd.pth"
    assert str(folder / name) in str(caught.value)
    assert "to train from scratch" in str(caught.value)


def test_a_folder_that_is_none_is_told(folder, monkeypatch):
    monkeypatch.setenv("RUNNER_WEIGHTS", str(folder / "nowhere"))
    with pytest.raises(ValueError, match=r"RUNNER_WEIGHTS=.*nowhere is no folder"):
        timm_model(NETWORK, 3, 32, 10, pretrained=True)


@pytest.mark.parametrize("content", [b"", b"no weights at all"])
def test_a_file_that_cannot_be_read_is_named(folder, content):
    (folder / f"{NAME}.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=rf"{NAME}\.safetensors can't be read as weights of {NETWORK}"):
        timm_model(NETWORK, 3, 32, 10, pretrained=True)


@pytest.fixture
def torchvision_file(folder, monkeypatch) -> Path:
    """A file of squeezenet's weights, whose name torchvision is told as the published one."""
    torch.manual_seed(5)
    path = folder / "squeezenet.pth"
    torch.save(torchvision.models.squeezenet1_1().state_dict(), path)
    named = path.rename(folder / f"squeezenet-{sum_of(path)[:8]}.pth")
    weights = torchvision.models.get_model_weights("squeezenet1_1").DEFAULT
    monkeypatch.setattr(weights.value, "url", f"https://example.org/{named.name}")
    return named


def test_torchvisions_weights_lie_in_the_users_folder(torchvision_file):
    kernels = torch.load(torchvision_file, weights_only=True)["features.0.weight"]
    network = torchvision_model("squeezenet1_1", 3, 64, 10, pretrained=True)
    assert torch.equal(network.get_parameter("features.0.weight"), kernels)
    torchvision_file.write_bytes(torchvision_file.read_bytes() + b"more")
    with pytest.raises(ValueError, match=r"squeezenet-.*is damaged, or another file"):
        torchvision_model("squeezenet1_1", 3, 64, 10, pretrained=True)


def test_a_pickle_is_never_opened(folder, torchvision_file, monkeypatch):
    class Trap:
        def __reduce__(self):
            return (Path.write_text, (folder / "opened", "the pickle was opened"))

    torchvision_file.write_bytes(pickle.dumps(Trap()))
    monkeypatch.setattr(files, "known_sums", lambda path: [])
    with pytest.raises(ValueError, match=r"squeezenet-.*can't be read as weights"):
        torchvision_model("squeezenet1_1", 3, 64, 10, pretrained=True)
    assert not (folder / "opened").exists()
