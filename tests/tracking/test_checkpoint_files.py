"""A checkpoint is the one before or the new one, whatever happens while it is written."""

import os
from pathlib import Path

import pytest
import torch

from runner.callbacks.checkpoint import DurableCheckpoints
from runner.errors import RunnerError
from runner.files import write_with
from runner.tracking.checkpoints import read_checkpoint, save_weights


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
def test_a_write_that_fails_leaves_the_file_before_and_nothing_beside(tmp_path, error):
    place = tmp_path / "last.ckpt"
    place.write_bytes(b"before")

    def half(file):
        file.write(b"af")
        raise error

    with pytest.raises(type(error)):
        write_with(place, half, durable=True)
    assert place.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [place]


def test_a_checkpoint_is_written_beside_flushed_and_renamed(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    replaced = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("renamed"), replaced(self, target))[1])
    place = tmp_path / "new" / "last.ckpt"
    DurableCheckpoints().save_checkpoint({"state_dict": {"a": torch.ones(3)}}, place)
    assert [each if each == "renamed" else each.name.split(".")[-1] for each in done] == ["partial", "renamed", "new"]
    assert torch.load(place, weights_only=True)["state_dict"]["a"].tolist() == [1, 1, 1]


def test_a_single_flipped_bit_is_noticed(tmp_path):
    place = tmp_path / "last.ckpt"
    save_weights(place, {"state_dict": {"a": torch.zeros(1000)}})
    content = bytearray(place.read_bytes())
    assert read_checkpoint(place)["state_dict"]["a"].sum() == 0
    middle = content.index(bytes(2000)) + 1000
    content[middle] ^= 1
    place.write_bytes(content)
    assert torch.load(place, weights_only=True)["state_dict"]["a"].sum() != 0  # torch doesn't notice
    with pytest.raises(RunnerError, match=r"damaged \(the checksum of .* is wrong"):
        read_checkpoint(place)
