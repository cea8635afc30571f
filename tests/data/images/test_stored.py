"""Decoded images on disk: read instead of the files, shared by runs, and never those of other images."""

import fcntl
import os
import pickle
import shutil
import threading
from pathlib import Path

import pytest
import torch

from runner.data.images import file_digests, stale, stored
from runner.data.images.image_folder import default_cache
from runner.data.images.stored import LazyImages, StoredImages
from runner.errors import RunnerError
from tests.support.pictures import fill, image_data, read_data


@pytest.fixture
def root(tmp_path) -> Path:
    return fill(tmp_path / "set", 8)


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "decoded"


def kept(cache: Path) -> list[str]:
    """The sets that a cache holds."""
    return sorted(each.name for each in cache.iterdir() if each.is_dir())


def everything(data) -> dict[str, list]:
    return {name: [split.inputs.tolist(), split.targets.tolist()] for name, split in data.splits.items()}


@pytest.fixture
def decodes(monkeypatch) -> list[Path]:
    """The files that were decoded, in the order in which that happened."""
    seen: list[Path] = []
    original = stored.decoded
    monkeypatch.setattr(stored, "decoded", lambda path, appearance: seen.append(path) or original(path, appearance))
    return seen


def test_images_from_disk_are_those_in_memory_and_are_decoded_once(root, cache, decodes):
    memory = read_data(root)
    first = read_data(root, cache=str(cache))
    assert len(decodes) == 32
    second = read_data(root, cache=str(cache))
    for _ in range(2):
        batches = zip(memory.train_dataloader(), second.train_dataloader(), strict=True)
        assert all(torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1]) for ours, theirs in batches)
    assert len(decodes) == 32, "no file is decoded a second time"
    assert everything(memory) == everything(first) == everything(second)
    assert isinstance(second.splits["train"].rows, StoredImages)
    assert second.splits["train"].inputs.dtype == torch.uint8


def test_what_does_not_fit_into_memory_goes_to_the_users_cache_unless_there_is_to_be_none(root, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path / "own"))
    assert isinstance(read_data(root).splits["train"].rows, torch.Tensor)
    assert not (tmp_path / "own").exists()
    assert isinstance(read_data(root, memory_limit_gb=0.0).splits["train"].rows, StoredImages)
    assert len(kept(tmp_path / "own" / "images")) == 1
    assert isinstance(read_data(root, memory_limit_gb=0.0, cache="none").splits["train"].rows, LazyImages)
    monkeypatch.setattr(stored, "SPARE", 1e18)  # a disk that is full
    assert isinstance(read_data(root, memory_limit_gb=0.0).splits["train"].rows, StoredImages), "it is there already"
    full = read_data(fill(root.parent / "more", 9), memory_limit_gb=0.0)
    assert isinstance(full.splits["train"].rows, LazyImages)
    assert "no room" in full.remarks[0]


def test_the_users_cache_lies_where_the_system_says(monkeypatch, tmp_path):
    monkeypatch.delenv("RUNNER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "runner" / "images"


def test_a_check_writes_nothing_and_decodes_what_it_shows(root, cache, decodes):
    data = image_data(root, cache=str(cache))
    data.dry_run = True
    data.setup()
    assert data.splits["train"].head(2)[0].shape == (2, 1, 6, 6)
    assert not cache.exists() and decodes == []


def test_a_set_that_was_moved_or_copied_is_the_same(root, cache, decodes):
    before = everything(read_data(root, cache=str(cache)))
    copy = shutil.copytree(root, root.parent / "copy")
    os.utime(copy / "cat" / "00.png", (1, 1))
    shutil.move(root, root.parent / "moved")
    for place in (copy, root.parent / "moved"):
        assert everything(read_data(place, cache=str(cache))) == before
    assert len(decodes) == 16 and len(kept(cache)) == 1


def test_a_file_of_other_content_is_another_set_even_if_size_and_time_are_the_same(root, cache):
    changed = root / "cat" / "03.png"
    read_data(root, cache=str(cache))
    state = changed.stat()
    other = (root / "cat" / "04.png").read_bytes()
    assert len(other) == state.st_size
    changed.write_bytes(other)
    os.utime(changed, ns=(state.st_atime_ns, state.st_mtime_ns))
    found = read_data(root, cache=str(cache))
    greys = sorted(torch.cat([split.inputs[:, 0, 0, 0] for split in found.splits.values()]).tolist())
    assert greys[:8] == [60, 61, 62, 64, 64, 65, 66, 67]
    assert len(kept(cache)) == 2


@pytest.mark.parametrize(
    "options",
    [{"image_size": 4}, {"fit": "pad"}, {"background": "black"}, {"value_range": [0, 9]}, {"channels": 3}],
    ids=lambda options: next(iter(options)),
)
def test_another_way_to_decode_is_another_set(root, cache, options):
    read_data(root, cache=str(cache))
    per_channel = {"mean": [0.5] * 3, "std": [0.5] * 3} if "channels" in options else {}
    data = read_data(root, cache=str(cache), **options, **per_channel)
    assert len(kept(cache)) == 2
    side = options.get("image_size", 6)
    assert data.splits["train"].inputs.shape[1:] == (options.get("channels", 1), side, side)


def test_of_two_runs_at_once_one_decodes(root, cache, decodes):
    found: list[dict] = []
    threads = [
        threading.Thread(target=lambda: found.append(everything(read_data(root, cache=str(cache))))) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(decodes) == 16 and found[0] == found[1]


def test_an_interrupted_decoding_leaves_nothing_that_another_run_would_take(root, cache, monkeypatch):
    original = stored.decoded

    def interrupted(path, appearance):
        if path.parent.name == "dog":
            raise KeyboardInterrupt
        return original(path, appearance)

    monkeypatch.setattr(stored, "decoded", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read_data(root, cache=str(cache))
    assert kept(cache) == []
    monkeypatch.setattr(stored, "decoded", original)
    assert everything(read_data(root, cache=str(cache))) == everything(read_data(root))


def test_broken_files_stay_known_without_being_decoded_again(root, cache, decodes):
    (root / "cat" / "00.png").write_bytes((root / "cat" / "00.png").read_bytes()[:-30])
    found = [read_data(root, cache=str(cache), on_broken="skip") for _ in range(2)]
    assert len(decodes) == 16
    assert everything(found[0]) == everything(found[1])
    assert found[0].remarks == found[1].remarks and "Left out 1 of 16" in found[1].remarks[0]
    assert sum(len(split) for split in found[1].splits.values()) == 15


@pytest.mark.parametrize("dry_run", [False, True], ids=["run", "check"])
def test_a_place_that_cannot_be_written_to_is_refused(root, tmp_path, dry_run):
    (tmp_path / "file").write_text("no directory")
    data = image_data(root, cache=str(tmp_path / "file" / "below"))
    data.dry_run = dry_run
    with pytest.raises(RunnerError, match=r"can't be kept in .*below \(.*\)\. Set data\.cache to another directory"):
        data.setup()


def test_a_disk_without_room_is_refused_before_decoding(root, cache, decodes, monkeypatch):
    monkeypatch.setattr(stored, "SPARE", 1e18)
    with pytest.raises(RunnerError, match=r"no room for 0\.0 GB"):
        read_data(root, cache=str(cache))
    assert decodes == []


def test_a_damaged_set_is_told(root, cache):
    read_data(root, cache=str(cache))
    pixels = next(cache.glob(f"*/{stored.PIXELS}"))
    pixels.write_bytes(pixels.read_bytes()[:-100])
    with pytest.raises(RunnerError, match=r"is damaged .* Delete it and run again"):
        read_data(root, cache=str(cache))


def test_stored_images_travel_to_other_processes_without_their_pixels(root, cache):
    rows = read_data(root, cache=str(cache)).splits["train"].rows
    index = torch.tensor([3, 0, 3])
    expected = rows[index]
    assert len(pickle.dumps(rows)) < 2_000
    assert torch.equal(pickle.loads(pickle.dumps(rows))[index], expected)


def digest(folder: Path, memory: Path | None = None) -> str:
    paths = sorted(folder.rglob("*.png"))
    return file_digests.digest([str(path.relative_to(folder)) for path in paths], paths, memory=memory)


def test_a_digest_is_that_of_names_and_contents(root, tmp_path):
    first = digest(root)
    assert len(first) == 32 and digest(shutil.copytree(root, tmp_path / "copy")) == first
    (root / "cat" / "00.png").rename(root / "cat" / "09.png")
    assert digest(root) != first


def test_files_that_were_not_touched_are_not_read_again(root, tmp_path, monkeypatch):
    monkeypatch.setattr(file_digests, "YOUNG", -1)
    reads: list[Path] = []
    original = file_digests._content
    monkeypatch.setattr(file_digests, "_content", lambda path: reads.append(path) or original(path))
    memory = tmp_path / "memory"
    assert digest(root, memory) == digest(root, memory) == digest(root) and len(reads) == 32
    before = digest(root, memory)
    (root / "cat" / "00.png").write_bytes((root / "cat" / "01.png").read_bytes())
    assert digest(root, memory) == digest(root) != before
    assert len(reads) == 32 + 1 + 16


def test_files_that_were_just_written_are_read_again_for_their_clock_may_not_tell_them_apart(root, tmp_path):
    digest(root, tmp_path / "memory")
    assert not (tmp_path / "memory").exists()


def test_decoded_images_of_an_earlier_state_of_a_folder_are_dropped_unless_a_run_reads_them(root, cache):
    read_data(root, cache=str(cache))
    other = fill(root.parent / "other", 3)
    read_data(other, cache=str(cache))
    read_data(root, cache=str(cache), fit="pad")
    assert len(kept(cache)) == 3
    fill(root, 9)
    held = read_data(root, cache=str(cache))
    assert len(kept(cache)) == 4, "what this process reads stays"
    assert not [each for each in held.remarks if "Dropped" in each]
    for each in stale._holds.values():  # as if the runs of before had ended
        each.close()
    stale._holds.clear()
    told = read_data(root, cache=str(cache)).remarks
    assert len(kept(cache)) == 3
    assert told[-1].startswith(f"Dropped the decoded images of an earlier state of {root} (")


def test_a_set_that_another_process_reads_is_not_dropped(root, cache):
    read_data(root, cache=str(cache))
    (place,) = [each for each in cache.iterdir() if each.is_dir()]
    stale._holds.pop(place).close()
    with (place / stale.HELD).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        fill(root, 9)
        read_data(root, cache=str(cache))
        assert place.is_dir()
