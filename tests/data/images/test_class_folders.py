"""Folders of image sets: parts by every usual name, a level too many, single and empty classes; each mistake named."""

import pytest

from runner.cli.main import main
from runner.config.compose import compose
from runner.data.images.class_folders import class_folders, count_classes_in_folder, image_layout
from runner.errors import RunnerError
from runner.tracking.identity import identity
from tests.support.pictures import fill, read_data, sixteen_bits


def sizes(data) -> dict[str, int]:
    return {name: len(split) for name, split in data.splits.items()}


def message(root, **options) -> str:
    with pytest.raises(RunnerError) as raised:
        read_data(root, **options)
    return str(raised.value)


NAMES = [
    ("train", "val", "test"),
    ("train", "valid", "test"),
    ("Train", "Validation", "Testing"),
    ("TRAINING", "Dev", "EVAL"),
    ("training_set", "val_set", "test_set"),
    ("trainset", "dev-set", "Test Set"),
    ("train_images", "Val Images", "test-data"),
    ("01_train", "02_val", "03_test"),
]


@pytest.mark.parametrize("names", NAMES, ids="/".join)
def test_parts_are_found_by_every_usual_name_in_any_case(tmp_path, names):
    for name, count in zip(names, (5, 3, 4), strict=True):
        fill(tmp_path / name, count, above=10 * count)
    data = read_data(tmp_path)
    assert sizes(data) == {"train": 10, "val": 6, "test": 8}
    assert data.splits["val"].targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.remarks == []


def test_folders_beside_the_parts_are_named(tmp_path):
    for place, name in enumerate(("train", "valid", "test", "extra", "unlabelled")):
        fill(tmp_path / name, 4, above=10 * place)
    data = read_data(tmp_path)
    assert sizes(data) == {"train": 8, "val": 8, "test": 8}
    assert data.remarks == [f"{tmp_path} is divided into train/, valid/, test/; not used: extra/, unlabelled/."]


def test_a_word_that_says_more_than_a_part_is_a_class(tmp_path):
    fill(tmp_path, 4, {"test_tubes": 60, "train_stations": 180, "val2": 120})
    assert image_layout(tmp_path).classes == ("test_tubes", "train_stations", "val2")


def test_a_level_too_many_above_the_parts_is_told(tmp_path):
    fill(tmp_path / "images" / "train", 2)
    fill(tmp_path / "images" / "val", 2)
    assert message(tmp_path) == (
        f"{tmp_path} holds one folder, images/, with train/, val/ inside. That is a level too many: "
        f"set data.root={tmp_path / 'images'}."
    )


def test_classes_that_differ_in_capitals_only_are_told(tmp_path):
    fill(tmp_path, 2, {"cat": 60, "Cat": 90, "dog": 180})
    assert image_layout(tmp_path).remarks == ("Cat and cat differ in capitals only, and each counts by itself.",)


def test_two_folders_for_one_part_are_refused(tmp_path):
    for name in ("train", "val", "valid"):
        fill(tmp_path / name, 4)
    assert message(tmp_path) == (
        f"{tmp_path} holds val/ and valid/, which all stand for val. "
        "Keep one of them, or move the images of both into it."
    )


def test_a_level_too_many_is_named_with_the_root_that_works(tmp_path):
    fill(tmp_path / "my_images", 10)
    expected = (
        f"{tmp_path} holds one folder, my_images/, so there is one class only. {tmp_path}/my_images holds 2 folders "
        f"(cat, dog): if these are the classes, set data.root={tmp_path}/my_images."
    )
    assert message(tmp_path) == expected
    with pytest.raises(RunnerError) as raised:
        count_classes_in_folder(tmp_path)
    assert str(raised.value) == expected, "what data.num_classes asks says the same"


def test_several_levels_too_many_lead_to_the_one_with_the_classes(tmp_path):
    fill(tmp_path / "archive" / "data" / "train", 4)
    fill(tmp_path / "archive" / "data" / "test", 4)
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / ".git").mkdir()
    assert f"set data.root={tmp_path}/archive/data." in message(tmp_path)


def test_a_level_too_many_inside_a_part_is_told(tmp_path):
    fill(tmp_path / "train" / "images", 4)
    assert f"if these are the classes, move them up, to {tmp_path}/train." in message(tmp_path)


def test_a_level_too_many_beside_another_folder_is_told(tmp_path):
    fill(tmp_path / "my_images", 4)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "notes.pdf").write_text("no image")
    found = message(tmp_path)
    assert found.startswith(f"{tmp_path}/papers holds no images. It holds 1 .pdf, which is not read as images.")
    assert found.endswith(f"in {tmp_path}/my_images (cat, dog), set data.root={tmp_path}/my_images.")


def test_a_single_class_is_told(tmp_path):
    fill(tmp_path, 4, {"cat": 60})
    assert "holds one folder, cat/, so there is one class only and nothing to tell apart" in message(tmp_path)


def test_a_root_that_is_a_class_leads_to_the_folder_above(tmp_path):
    fill(tmp_path, 4)
    assert f"or set data.root={tmp_path} if cat is one of the classes" in message(tmp_path / "cat")


@pytest.mark.parametrize("part", ["val", "Testing"])
def test_parts_without_training_images_are_refused(tmp_path, part):
    fill(tmp_path / part, 4)
    found = message(tmp_path)
    assert found.startswith(f"{tmp_path} holds {part}/ with folders inside, but no folder train/.")
    assert f"set data.root={tmp_path}/{part}" in found


def test_a_part_beside_classes_is_refused(tmp_path):
    fill(tmp_path, 4)
    fill(tmp_path / "test", 4)
    assert f"Put the training images into {tmp_path}/train, and the classes cat/, dog/ into it" in message(tmp_path)


@pytest.mark.parametrize("name", ["train", "test"])
def test_a_class_may_be_called_like_a_part(tmp_path, name):
    fill(tmp_path, 6, {"car": 60, name: 180})
    data = read_data(tmp_path)
    assert data.class_names == ("car", name)
    assert data.remarks == [f"{name}/ is taken as a class, for it holds files and no folders."]


def test_training_images_without_classes_are_refused(tmp_path):
    fill(tmp_path / "test", 4)
    fill(tmp_path, 4, {"train": 60})
    assert f"{tmp_path}/train holds no folders. Make one folder for each class" in message(tmp_path)


def test_classes_that_hold_folders_only_are_explained(tmp_path):
    for name in ("animals", "things"):
        fill(tmp_path / name, 5)
    data = read_data(tmp_path)
    assert data.class_names == ("animals", "things") and sum(sizes(data).values()) == 20
    assert data.remarks[0] == (
        "animals/ holds images in folders only (cat, dog): all count as class animals. "
        f"If those folders are the classes, set data.root={tmp_path}/animals."
    )


def test_a_class_that_holds_empty_folders_is_refused(tmp_path):
    fill(tmp_path, 5)
    (tmp_path / "owl" / "photos").mkdir(parents=True)
    assert "owl holds no images. It holds folders (photos), but no images in them either." in message(tmp_path)


def test_a_part_that_lacks_a_class_is_told_and_one_with_another_refused(tmp_path):
    fill(tmp_path / "train", 5)
    fill(tmp_path / "test", 5, {"dog": 190})
    assert read_data(tmp_path).remarks == ["test/ has no images of cat."]
    fill(tmp_path / "test", 5, {"Cat": 60})
    assert "test has folders for classes that the training images lack: Cat. Did you mean cat?" in message(tmp_path)


def test_a_part_without_any_images_is_refused(tmp_path):
    fill(tmp_path / "train", 5)
    (tmp_path / "val" / "cat").mkdir(parents=True)
    assert f"{tmp_path}/val holds no images" in message(tmp_path)


def test_a_file_is_no_image_folder(tmp_path):
    (tmp_path / "images.zip").write_bytes(b"PK")
    assert "images.zip is a file, not a folder. Unpack it" in message(tmp_path / "images.zip")


def test_a_root_below_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(fill(tmp_path, 4).parent))
    assert [each.name for each in class_folders(f"~/{tmp_path.name}")] == ["cat", "dog"]
    assert image_layout(f"~/{tmp_path.name}").root == tmp_path


def test_a_command_names_the_level_that_holds_the_classes(tmp_path):
    fill(tmp_path / "my_images", 4)
    with pytest.raises(RunnerError) as raised:
        compose(["data=image_folder", f"data.root={tmp_path}"])
    assert f"set data.root={tmp_path}/my_images." in str(raised.value)
    assert "num_classes" not in str(raised.value)


def test_a_check_says_what_is_unusual(tmp_path, capsys):
    fill(tmp_path / "train", 4, {"cat": 10_000, "dog": 50_000}, draw=sixteen_bits)
    fill(tmp_path / "valid", 4, {"cat": 10_000, "dog": 50_000}, draw=sixteen_bits)
    fill(tmp_path / "other", 1)
    assert main(["check", "data=image_folder", f"data.root={tmp_path}", "data.image_size=12", "model=mlp"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "data       7 train, 8 val, 1 test" not in printed
    assert f"note       {tmp_path} is divided into train/, valid/; not used: other/." in printed
    assert any(line.startswith("note       16 images of integers of more than 8 bits") for line in printed)


def test_added_settings_leave_the_identity_of_earlier_runs_as_it_was():
    before = {"data": {"_target_": "runner.data.images.image_folder.ImageFolder", "image_size": 64}, "seed": 1}
    added = {"fit": "crop", "background": "white", "on_broken": "auto", "value_range": None, "cache": "/anywhere"}
    assert identity({**before, "data": {**before["data"], **added}}) == identity(before)
    for key, value in {"fit": "pad", "background": "black", "on_broken": "skip", "value_range": [0, 1]}.items():
        assert identity({**before, "data": {**before["data"], **added, key: value}}) != identity(before), key


def test_classes_that_are_divided_one_by_one_are_refused(tmp_path):
    for name in ("cat", "dog"):
        fill(tmp_path / name, 4, {"train": 60, "Test": 100})
    assert message(tmp_path) == (
        f"{tmp_path} holds cat/, dog/, each with Test/, train/ inside. Turn the folders around: "
        f"{tmp_path}/train/cat, and so on."
    )


def test_a_root_that_is_the_training_part_says_that_others_lie_beside_it(tmp_path):
    for name in ("train", "valid", "test"):
        fill(tmp_path / name, 5)
    assert read_data(tmp_path / "train").remarks == [
        f"test/, valid/ beside train/ are not used: data.root={tmp_path} would use them."
    ]
