"""CSV tables: numbers in, a target out; every mistake is told with file, line and column."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from runner.data.images.class_folders import count_classes_in_folder
from runner.data.tables.columns import count_classes_in_column, count_features
from runner.data.tables.delimited import read_table
from runner.data.tables.table import CsvTable
from runner.errors import RunnerError

HEADER = "width,height,price,colour\n"
ROWS = [f"{i},{i * i},{2 * i + 1},{'red' if i % 3 else 'blue'}" for i in range(1, 13)]
TABLE = HEADER + "\n".join(ROWS) + "\n"
NUMERIC = ["width", "height"]


def write(folder: Path, text: str, name: str = "table.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def table(path: Path, **options) -> CsvTable:
    given = {"target": "price", "features": NUMERIC, "validation_fraction": 0.25, **options}
    return CsvTable(root=str(path), **given)


def everything(data: CsvTable) -> tuple[torch.Tensor, torch.Tensor]:
    source = data.load()
    return source.inputs, source.targets


def test_regression_reads_columns_in_the_order_given_and_targets_in_their_units(tmp_path):
    inputs, targets = everything(table(write(tmp_path, TABLE), features=["height", "width"]))
    assert inputs.tolist() == [[i * i, i] for i in range(1, 13)] and inputs.dtype == torch.float64
    assert targets.tolist() == [[2 * i + 1] for i in range(1, 13)] and targets.dtype == torch.float32


def test_without_features_all_columns_but_the_target_are_taken(tmp_path):
    path = write(tmp_path, "a,b,y\n1,2,3\n4,5,6\n7,8,8\n")
    data = table(path, features=None, target="y")
    assert everything(data)[0].tolist() == [[1, 2], [4, 5], [7, 8]]
    assert data.features == ["a", "b"]


def test_text_targets_become_classes_in_alphabetical_order(tmp_path):
    data = table(write(tmp_path, TABLE), target="colour", target_kind="classification", num_classes=2)
    source = data.load()
    assert source.class_names == ("blue", "red")
    assert source.targets.tolist() == [int(bool(i % 3)) for i in range(1, 13)] and source.targets.dtype == torch.int64


def test_number_labels_are_ordered_as_numbers(tmp_path):
    path = write(tmp_path, "x,y\n1,10\n2,9\n3,10\n4,2\n")
    data = table(path, features=["x"], target="y", target_kind="classification")
    assert data.load().class_names == ("2", "9", "10")


def test_binary_targets_are_float_zero_and_one(tmp_path):
    data = table(write(tmp_path, TABLE), target="colour", target_kind="binary_classification")
    targets = data.load().targets
    assert targets.dtype == torch.float32 and targets.unique().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("text", [TABLE.replace(",", ";"), TABLE.replace(",", "\t"), "\ufeff" + TABLE, TABLE + "\n\n"])
def test_other_separators_byte_order_mark_and_blank_lines_make_no_difference(tmp_path, text):
    ours, theirs = everything(table(write(tmp_path, text))), everything(table(write(tmp_path, TABLE, "plain.csv")))
    assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])


def test_inputs_are_standardized_by_the_training_split_and_prediction_needs_no_data(tmp_path):
    path = write(tmp_path, TABLE)
    data = table(path)
    data.setup()
    trained = data.transform(data.splits["train"].inputs)
    torch.testing.assert_close(trained.mean(0), torch.zeros(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(trained.std(0, unbiased=False), torch.ones(2))
    fresh = table(tmp_path / "gone.csv", features=None)
    fresh.load_state_dict(data.state_dict())
    new = write(tmp_path, "height,width\n9,3\n", "new.csv")
    assert torch.equal(fresh.transform(fresh.read([new])), data.transform(torch.tensor([[3.0, 9.0]])))


def test_a_constant_column_is_only_centred(tmp_path):
    rows = "".join(f"{i},0.1,{i}\n" for i in range(13))
    data = table(write(tmp_path, f"a,b,y\n{rows}"), features=None, target="y")
    data.setup()
    assert data.transform(torch.tensor([[0.0, 0.1], [0.0, 1.1]], dtype=torch.float64))[:, 1].tolist() == pytest.approx(
        [0.0, 1.0]
    )
    assert data.standardisation.std[1] == 1.0


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            TABLE,
            {"features": ["widht"]},
            r"no column 'widht'\. Did you mean width, height\? Its columns: width",
        ),
        (TABLE, {"target": "prize"}, r"no column 'prize'\. Did you mean price\?"),
        (TABLE, {"features": ["width", "price"]}, "data.features holds the target 'price'"),
        (TABLE.replace("\n5,25", "\n5,2S"), {}, r"line 6, column 'height': '2S' is no number, as most of the column"),
        (TABLE.replace("\n5,25", "\n5,"), {}, "line 6, column 'height': the value is missing"),
        (TABLE.replace("\n5,25", "\n5,nan"), {}, "line 6, column 'height': 'nan' is no number"),
        (TABLE.replace("\n5,25", "\n5,inf"), {}, "line 6, column 'height': 'inf' is no number"),
        (TABLE.replace("\n5,25", "\n5"), {}, "line 6: 3 values, but the header names 4 columns"),
        ("", {}, "is empty. It needs a header line and rows"),
        (HEADER, {}, "a header line and no rows"),
        ("a,a,price\n1,2,3\n", {}, "more than one column named a"),
        ("price\n1\n2\n", {"features": None}, "no feature columns beside the target"),
        (HEADER + "1,2,3,red\n2,3,3,red\n", {}, "the target 'price' is the same in every row"),
        (
            HEADER + "1,2,3,red\n2,3,4,red\n",
            {"target": "colour", "target_kind": "classification"},
            "the target 'colour' is 'red' in every row",
        ),
        (
            TABLE.replace("red", "", 1),
            {"target": "colour", "target_kind": "classification"},
            "line 2: the target 'colour' is empty",
        ),
        (
            TABLE,
            {"target": "width", "features": ["height"], "target_kind": "binary_classification"},
            "needs two classes",
        ),
        (
            TABLE,
            {"target": "colour", "target_kind": "classification", "num_classes": 3},
            "data.num_classes is 3, but the column 'colour' .* has 2 classes",
        ),
    ],
)
def test_a_bad_table_is_told_with_the_place(tmp_path, text, options, message):
    path = write(tmp_path, text)
    with pytest.raises(RunnerError, match=message) as caught:
        table(path, **options).load()
    assert str(path) in str(caught.value) or "data.features" in str(caught.value) or "task=" in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(RunnerError, match=r"No such table: .*gone\.csv"):
        table(tmp_path / "gone.csv").load()


def test_a_binary_file_is_no_table(tmp_path):
    (tmp_path / "image.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(RunnerError, match=r"image\.csv can't be read as a table"):
        read_table(tmp_path / "image.csv")


def test_sizes_are_discovered_from_the_files(tmp_path):
    path = write(tmp_path, TABLE)
    assert count_features(path, None, "price") == 5  # blue, red and whatever else take a place each
    assert count_features(path, ["width"], "price") == 1
    assert count_classes_in_column(path, "colour") == 2
    assert count_classes_in_column(path, "price", "regression") is None
    for name in ("cat", "dog", ".hidden"):
        (tmp_path / "pets" / name).mkdir(parents=True)
    assert count_classes_in_folder(tmp_path / "pets") == 2
    for name in ("cat", "dog"):
        (tmp_path / "split" / "train" / name).mkdir(parents=True)
    (tmp_path / "split" / "val" / "cat").mkdir(parents=True)
    assert count_classes_in_folder(tmp_path / "split") == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda root: count_classes_in_folder(root / "no"), "No such image folder"),
        (lambda root: count_features(root / "no", None, "y"), "No such table"),
        (lambda root: count_classes_in_column(root / "no", "y"), "No such table"),
    ],
)
def test_discovery_names_what_is_missing(tmp_path, call, message):
    with pytest.raises(RunnerError, match=message):
        call(tmp_path)


def test_discovery_imports_nothing_heavy():
    code = "import sys, runner.data.tables.columns; print({'torch', 'numpy', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
