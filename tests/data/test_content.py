"""What files hold, in one word: the same wherever they lie, another one after any change."""

import os
import shutil

import pytest

from runner.data import content
from runner.data.content import content_of


@pytest.fixture
def folder(tmp_path):
    """A folder of two folders of three files."""
    for name in ("cat", "dog"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "mine" / name / f"{number}.png").write_bytes(f"{name} {number}".encode() * 9)
    return tmp_path / "mine"


def test_moving_renaming_copying_and_touching_a_folder_changes_nothing(folder, tmp_path):
    first = content_of(folder)
    assert first is not None
    assert len(first) == 16
    os.utime(folder / "cat" / "0.png", (1, 1))
    (folder / ".DS_Store").touch()
    (folder / "cat" / "Thumbs.db").touch()
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x").write_text("x")
    assert content_of(folder) == first
    assert content_of(shutil.copytree(folder, tmp_path / "copy")) == first
    assert content_of(folder.rename(tmp_path / "moved")) == first
    (tmp_path / "link").symlink_to(tmp_path / "moved")
    assert content_of(tmp_path / "link") == first


def changed_byte(folder):
    path = folder / "dog" / "1.png"
    path.write_bytes(b"X" + path.read_bytes()[1:])


CHANGES = {
    "a byte": changed_byte,
    "a name": lambda folder: (folder / "dog" / "1.png").rename(folder / "dog" / "7.png"),
    "a file more": lambda folder: (folder / "dog" / "9.png").touch(),
    "a file fewer": lambda folder: (folder / "dog" / "1.png").unlink(),
    "another class": lambda folder: (folder / "dog" / "1.png").rename(folder / "cat" / "9.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_folder_changes_its_content(change, folder):
    first = content_of(folder)
    CHANGES[change](folder)
    assert content_of(folder) != first


def test_a_file_is_its_bytes_whatever_it_is_called(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    (tmp_path / "c.csv").write_text("x,y\n1,3\n")
    assert content_of(tmp_path / "a.csv") == content_of(tmp_path / "b.csv") != content_of(tmp_path / "c.csv")
    assert content_of(tmp_path / "nowhere") is None
    assert content_of(tmp_path / "a.csv", tmp_path / "c.csv") != content_of(tmp_path / "a.csv")


def test_links_in_a_circle_end(folder):
    (folder / "cat" / "up").symlink_to(folder)
    assert content_of(folder) == content_of(folder)


def test_what_did_not_change_is_read_once(folder, monkeypatch):
    for path in folder.rglob("*.png"):
        os.utime(path, (1, 1))
    read = []
    original = content.digest_of
    monkeypatch.setattr(content, "digest_of", lambda path, *rest: read.append(path) or original(path, *rest))
    content_of(folder)
    assert len(read) == 6
    changed_byte(folder)
    content_of(folder)
    assert read[6:] == [str(folder / "dog" / "1.png")]


def test_of_large_sets_all_names_and_sizes_count_and_parts_of_the_rest(folder, monkeypatch):
    monkeypatch.setattr(content, "MOST_BYTES", 100)
    monkeypatch.setattr(content, "LEAST", 12)
    first = content_of(folder)
    monkeypatch.setattr(content, "MOST_FILES", 3)
    assert content_of(folder) != first
    second = content_of(folder)
    path = folder / "dog" / "2.png"  # every second file is read; of this one the name and the size count
    path.write_bytes(b"X" + path.read_bytes()[1:])
    assert content_of(folder) == second
    path.write_bytes(b"longer than it was before, so that its size is another one" * 2)
    assert content_of(folder) != second
