"""Text, dates, true and false, gaps and identifiers of a table: what a network is given, to the digit."""

import json
import logging
import math
import random
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from runner.data.tables.columns import count_classes_in_column, count_features
from runner.data.tables.table import CsvTable
from runner.errors import RunnerError

DAY = 86_400


def write(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def set_up(path: Path, **options) -> CsvTable:
    given = {"target": "y", "validation_fraction": 0.0, "test_fraction": 0.0, **options}
    data = CsvTable(root=str(path), **given)
    data.setup()
    return data


def inputs(data: CsvTable) -> torch.Tensor:
    """Return what the network gets of all rows, in the file's order."""
    return data.transform(data.splits["train"].inputs)


def rows(*columns: object, y: object = None) -> str:
    """Return lines of these columns, and a target that counts."""
    lines = zip(*columns, strict=True)
    return "".join(",".join(map(str, line)) + f",{index}\n" for index, line in enumerate(lines))


def test_text_is_one_hot_with_a_place_for_what_training_never_saw(tmp_path, caplog):
    data = set_up(write(tmp_path, "colour,ok,y\n" + rows(["red", "blue", "red"], ["True", "false", "TRUE"])))
    assert inputs(data)[:, :3].tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    scaled = torch.tensor([1.0, 0.0, 1.0])
    torch.testing.assert_close(inputs(data)[:, 3], (scaled - 2 / 3) / math.sqrt(2 / 9))
    new = write(tmp_path, "ok,more,colour\nfalse,9,purple\ntrue,9,red\n", "new.csv")
    with caplog.at_level(logging.WARNING):
        assert data.transform(data.read([new]))[:, :3].tolist() == [[0, 0, 1], [0, 1, 0]]
    assert caplog.messages == [f"{new}, column 'colour': training never saw 'purple' (1 rows)."]


def test_a_category_of_validation_only_counts_as_unknown(tmp_path):
    data = CsvTable(root=str(write(tmp_path, "c,y\n" + rows([*"ab" * 10, "c"]))), target="y", test_fraction=0.0)
    data.setup()
    everyone = data.splits["train"].rows[torch.arange(21)]
    seen = set(data.splits["train"].inputs.flatten().tolist())
    assert seen in ({0.0, 1.0}, {0.0, 1.0, 2.0})
    assert data.transform(everyone)[20].tolist() == ([0, 0, 0, 1] if 2.0 not in seen else [0, 0, 1, 0])


@pytest.mark.parametrize(
    ("strategy", "number", "text"),
    [("mean", 4.0, [0, 0, 1]), ("median", 2.0, [0, 0, 1]), ("most_frequent", 1.0, [0, 1, 0])],
)
def test_gaps_are_filled_from_the_training_split(tmp_path, strategy, number, text):
    cells = [1, "", 1, 3, 11], ["v", "", "w", "w", "w"]
    data = set_up(write(tmp_path, "x,c,y\n" + rows(*cells)), missing=strategy, standardize=False)
    assert inputs(data)[:, 0].tolist() == [1, number, 1, 3, 11]
    assert inputs(data)[1, 1:].tolist() == text
    new = write(tmp_path, "c,x\nNA,?\n", "new.csv")
    assert data.transform(data.read([new])).tolist() == [[number, *text]]


def test_filling_uses_no_row_of_validation_or_test(tmp_path):
    numbers = [float(each) if each % 5 else "" for each in range(40)]
    data = CsvTable(root=str(write(tmp_path, "x,z,y\n" + rows(numbers, [i % 7 for i in range(40)]))), target="y")
    data.missing = "mean"
    data.setup()
    trained = data.splits["train"].inputs[:, 0]
    assert data.preparation.fill[0] == pytest.approx(float(trained.nanmean()))


def test_all_of_it_is_what_scikit_learns_column_transformer_gives(tmp_path):
    chance = random.Random(4)
    numbers = [chance.gauss(5, 2) if chance.random() > 0.2 else "" for _ in range(50)]
    others, texts = [chance.randrange(9) for _ in range(50)], [chance.choice("abcd") for _ in range(50)]
    data = set_up(write(tmp_path, "x,c,z,y\n" + rows(numbers, texts, others)), missing="median")
    frame = np.array([[each if each != "" else math.nan, other] for each, other in zip(numbers, others, strict=True)])
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    expected = ColumnTransformer([("n", scaled, [0, 1])]).fit_transform(frame)
    hot = OneHotEncoder(sparse_output=False).fit_transform(np.array(texts)[:, None])
    found = inputs(data).numpy()
    np.testing.assert_allclose(found[:, [0, 6]], expected, rtol=1e-6, atol=1e-7)
    assert (found[:, 1:5] == hot).all()
    assert not found[:, 5].any()
    assert found.dtype == np.float32


def test_rows_with_gaps_are_dropped_and_counted(tmp_path):
    text = "x,c,y\n1,a,1\n,a,2\n3,,3\n4,b,\n5,b,5\n6,a,6\n"
    data = set_up(write(tmp_path, text), missing="drop", standardize=False)
    assert inputs(data).tolist() == [[1, 1, 0, 0], [5, 0, 1, 0], [6, 1, 0, 0]]
    assert data.splits["train"].targets.flatten().tolist() == [1, 5, 6]
    assert data.remarks == ["3 of 6 rows have missing values and are left out."]
    with pytest.raises(RunnerError, match=r"new.csv, line 2, column 'x': the value is missing.*data.missing=drop"):
        data.read([write(tmp_path, "x,c\n,a\n", "new.csv")])


def test_timestamps_that_differ_in_their_last_digits_are_as_good_as_small_numbers(tmp_path):
    small = [random.Random(1).randrange(60) for _ in range(60)]
    for origin in (1_767_225_600, 1_767_225_600_000_000_000, -(2**62)):
        far = set_up(write(tmp_path, "t,y\n" + rows([origin + each for each in small])))
        near = set_up(write(tmp_path, "t,y\n" + rows(small), "near.csv"))
        torch.testing.assert_close(inputs(far), inputs(near), rtol=0, atol=1e-6)


def test_dates_are_days_since_the_earliest_and_points_on_circles(tmp_path):
    text = "d,y\n2024-03-01,1\n2024-03-11 12:00,2\n2024-09-01,3\n"
    data = set_up(write(tmp_path, text), standardize=False, date_parts=["month", "hour"])
    found = inputs(data)
    assert found[:, 0].tolist() == [0.0, 10.5, 184.0]
    turns = torch.tensor([2 / 12, 2 / 12, 8 / 12]) * 2 * math.pi
    torch.testing.assert_close(found[:, 1:3], torch.stack([turns.sin(), turns.cos()], 1), rtol=0, atol=1e-6)
    torch.testing.assert_close(found[1, 3:], torch.tensor([0.0, -1.0]), rtol=0, atol=1e-6)
    assert count_features(tmp_path / "t.csv", None, "y", {"date_parts": ["month", "hour"]}) == 5


@pytest.mark.parametrize(
    ("dates", "settings"),
    [
        (["01.02.2024", "03.02.2024"], {}),
        (["2024/02/01", "2024/02/03"], {}),
        (["2024-02-01T00:00:00Z", "2024-02-03T00:00:00Z"], {}),
        (["2024-02-01 02:00:00+02:00", "2024-02-03 02:00:00+02:00"], {}),
        (["1 Feb 2024", "3 Feb 2024"], {}),
        (["2/1/2024 12:00 AM", "2/3/2024 12:00 AM", "2/13/2024 12:00 AM"], {}),
        (["1.2.24", "3.2.24"], {"date_format": "%d.%m.%y"}),
        (["01/02/2024", "03/02/2024"], {"date_format": "day_first"}),
        (["02/01/2024", "02/03/2024"], {"date_format": "month_first"}),
    ],
)
def test_dates_are_read_as_people_write_them(tmp_path, dates, settings):
    data = set_up(write(tmp_path, "d,y\n" + rows(dates)), standardize=False, **settings)
    assert data.columns[0].kind == "date"
    assert inputs(data)[:2].tolist() == [[0.0], [2.0]]
    assert data.splits["train"].inputs[0, 0] == 19_754 * DAY


@pytest.mark.parametrize(
    ("header", "cells", "why"),
    [
        ("", range(30), "has no name and numbers the rows"),
        ("Unnamed: 0", random.Random(0).sample(range(99), 30), "has no name and numbers the rows"),
        ("PassengerId", range(7, 307, 10), "has another number in every row, as identifiers have"),
        ("user_id", [f"u{i}" for i in range(30)], "has another text in every row, as names and identifiers have"),
        ("remark", [f"it is {i // 2 * 2} {i % 2}" for i in range(30)], "has another text in every row"),
        ("case", range(4000, 4060), "counts the rows"),
        ("nothing", [""] * 30, "holds nothing"),
    ],
)
def test_what_names_or_counts_the_rows_is_left_out_and_said(tmp_path, header, cells, why):
    cells = list(cells)
    path = write(tmp_path, f"{header},x,y\n" + rows(cells, [i % 7 for i in range(len(cells))]))
    data = set_up(path)
    assert data.features == ["x"]
    assert count_features(path, None, "y") == 1
    name = header or "Unnamed: 0"
    assert len(data.remarks) == 1
    assert data.remarks[0].startswith(f"Column '{name}' is left out: it {why}")
    if header != "nothing":
        assert set_up(path, features=[name, "x"]).features == [name, "x"]


@pytest.mark.parametrize("cells", [[3, 1, 2] * 20, [i * i for i in range(60)], [i / 2 for i in range(60)], range(20)])
def test_measurements_are_kept(tmp_path, cells):
    assert set_up(write(tmp_path, "a,x,y\n" + rows(cells, [i % 7 for i in range(len(cells))]))).features == ["a", "x"]


def test_numbers_too_small_for_their_squares_are_standardized(tmp_path):
    assert inputs(set_up(write(tmp_path, "x,y\n1e-300,1\n3e-300,2\n"))).flatten().tolist() == [-0.5, 0.5]


def test_where_nothing_would_be_left_the_way_out_is_said(tmp_path):
    with pytest.raises(RunnerError, match=r"no feature columns beside .*counts the rows.*data.features=\[t\]"):
        set_up(write(tmp_path, "t,y\n" + rows(range(60))))


def test_of_very_many_texts_the_most_frequent_have_a_place(tmp_path):
    cells = ["a"] * 30 + ["b"] * 20 + [f"rare {i // 2}" for i in range(20)]
    data = set_up(write(tmp_path, "c,y\n" + rows(cells)), max_categories=2)
    assert inputs(data)[[0, 30, 50, 69]].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert "12 different texts: the 2 most frequent (71% of the rows)" in data.remarks[0]


def test_numbers_that_are_names_are_categories_as_they_are_written(tmp_path):
    path = write(tmp_path, "zip,y\n" + rows(["01067", "1067", "80331"]))
    assert inputs(set_up(path, categorical=["zip"])).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert count_features(path, None, "y", {"categorical": ["zip"]}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,1\n2,2\nabout 3,3\n4,4\n", r"line 4, column 'x': 'about 3' is no number, as most .*categorical=\[x\]"),
        (
            'x,y\n"2,033",1\n5,2\n',
            r"line 2, column 'x': '2,033' .*thousands=comma reads 2033.*comma reads 2.033",
        ),
        ('x,y\n"2,07",1\n"3,1",2\n', r"line 2, column 'x': '2,07' .*data.decimal=comma reads 2.07"),
        ("x,y\n2_033,1\n1_000,2\n", r"line 2, column 'x': '2_033' .*data.thousands=underscore reads 2033"),
        ("x,y\n1_2,1\n1_3,2\n", "line 2, column 'x': '1_2' is no number as it stands"),
        ("x;y\n2,033;1\n5;2\n", r"line 2, column 'x': '2,033' .*thousands=comma"),
        ("x,y\n1,1\n-inf,2\n", "line 3, column 'x': '-inf' is no number"),
        ("x,y\n1,1\n?,2\n-,3\n", r"line 3, column 'x': '\?' is no number and counts as missing \(2 rows"),
        ("d,y\n1.2.24,1\n3.4.24,2\n", r"line 2, column 'd': '1.2.24' seems to be a date .*=%d\.%m\.%y or %m\.%d\.%y"),
        ("d,y\n2024-01-01,1\nsoon,2\n2024-01-02,3\n", "line 3, column 'd': 'soon' is no date, as most"),
        ("x,y\n$5,1\n$6.50,2\n", r"line 2, column 'x': '\$5' is no number as it stands. Take the sign off"),
        ("x,y\n1,1\n1e200,2\n", r"column 'x': holds numbers beyond 1e\+150"),
        ("x,Y\n1,1\n2,2\n", r"no column 'y'\. Did you mean Y\?"),
        ("d,y\n01/02/2024,1\n03/04/2024,2\n", r"line 2, column 'd': '01/02/2024' may be two days.*day_first"),
        ("x,y\n1,2\n2,\n", "line 3: the target 'y' is empty"),
        ("x,y\n1,2\n2,nan\n", r"line 3: the target 'y' is empty \('nan'\)"),
        ("x,y\n1,a\n2,b\n", r"line 2, column 'y': 'a' is no number.*2 different texts.*task=binary_classification"),
        ("x,y\n1,1\n2,2\n3,1O\n", "line 4, column 'y': '1O' is no number, as most"),
        ("x,y\n1,2024-01-01\n2,2024-01-02\n", "the target 'y' holds dates"),
    ],
)
def test_what_can_not_be_used_is_told_with_place_and_way_out(tmp_path, text, message):
    with pytest.raises(RunnerError, match=message):
        set_up(write(tmp_path, text))


@pytest.mark.parametrize(
    ("labels", "names", "targets"),
    [
        (["7", "3", "7"], ("3", "7"), [1, 0, 1]),
        (["-1", "1", "-1"], ("-1", "1"), [0, 1, 0]),
        (["10", "9", "10"], ("9", "10"), [1, 0, 1]),
        (["2.0", "1.0", "2"], ("1.0", "2"), [1, 0, 1]),
        (["True", "False", "True"], ("False", "True"), [1, 0, 1]),
        (["yes", "no", " yes"], ("no", "yes"), [1, 0, 1]),
        (["9007199254740993", "9007199254740992", "9007199254740993"],
         ("9007199254740992", "9007199254740993"), [1, 0, 1]),
        (["01", "2", "01"], ("01", "2"), [0, 1, 0]),
        (["2024-01-01", "2023-01-01", "2024-01-01"], ("2023-01-01", "2024-01-01"), [1, 0, 1]),
    ],
)  # fmt: skip
def test_labels_of_any_kind_keep_their_names(tmp_path, labels, names, targets):
    path = write(tmp_path, "x,y\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
    data = set_up(path, target_kind="classification")
    assert data.class_names == names
    assert data.splits["train"].targets.tolist() == targets
    assert count_classes_in_column(path, "y") == len(names)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([i / 4 for i in range(40)], r"holds 40 different numbers in 40 rows \(0.0, 0.25, 0.5, …\).*task=regression"),
        ([1000 + 7 * i for i in range(40)], "holds 40 different numbers in 40 rows.*task=regression"),
        ([f"remark {i}" for i in range(40)], "holds 40 different texts in 40 rows.*several rows of each class"),
    ],
)
def test_measurements_and_remarks_are_no_classes(tmp_path, labels, message):
    path = write(tmp_path, "x,y\n" + "".join(f"{i % 9},{label}\n" for i, label in enumerate(labels)))
    with pytest.raises(RunnerError, match=message):
        count_classes_in_column(path, "y")


def test_a_class_of_one_row_is_named_by_the_split(tmp_path):
    path = write(tmp_path, "x,y\n" + "".join(f"{i},{'c' if i == 5 else 'ab'[i % 2]}\n" for i in range(20)))
    with pytest.raises(RunnerError, match="too few in class"):
        CsvTable(root=str(path), target="y", target_kind="classification").setup()


@pytest.mark.parametrize(
    ("cells", "labels", "leaks"),
    [
        ([i / 2 for i in range(40)], ["a"] * 20 + ["b"] * 20, True),
        ([i / 2 for i in range(40)], ["a"] * 20 + ["b"] * 19 + ["a"], False),
        ([i % 3 / 2 for i in range(40)], ["abc"[i % 3] for i in range(40)], True),
        (["pqr"[i % 3] for i in range(40)], ["ab"[i % 3 > 0] for i in range(40)], True),
        (["pqr"[i % 3] for i in range(40)], ["ab"[i % 2] for i in range(40)], False),
        ([i * i for i in range(40)], [3 * i * i + 1 for i in range(40)], True),
        ([i * i for i in range(40)], [3 * i * i + i % 2 for i in range(40)], False),
    ],
)
def test_a_column_that_tells_the_target_by_itself_is_named(tmp_path, cells, labels, leaks):
    path = write(
        tmp_path,
        "leak,x,y\n" + "".join(f"{c},{i % 7},{y}\n" for i, (c, y) in enumerate(zip(cells, labels, strict=True))),
    )
    kind = "classification" if isinstance(labels[0], str) else "regression"
    said = [each for each in set_up(path, target_kind=kind).remarks if "'leak' alone predicts the target" in each]
    assert len(said) == leaks


def test_prediction_needs_the_state_alone_and_the_state_is_json(tmp_path):
    text = "when;colour;x;y\n" + "".join(f"2024-01-{i + 1:02};{'rgb'[i % 3]};{i},5;{i * i}\n" for i in range(20))
    data = set_up(write(tmp_path, text), missing="median", date_parts=["weekday"])
    state = json.loads(json.dumps(data.state_dict()))
    fresh = CsvTable(root="gone.csv", target="y", missing="median", date_parts=["weekday"])
    fresh.load_state_dict(state)
    new = write(tmp_path, "x;extra;colour;when\n2,500;1;g;2024-02-01\n;1;;\n", "new.csv")
    assert torch.equal(fresh.transform(fresh.read([new])), data.transform(data.read([new])))
    assert fresh.read([new])[0, 0] == 19_754 * DAY
    assert fresh.read([new])[0, 3] == 2.5  # as in training, though 2,500 alone might be 2500
    assert fresh.transform(fresh.read([new])).shape == (2, 1 + 2 + 4 + 1)
    with pytest.raises(RunnerError, match=r"no column 'colour'\. Did you mean color"):
        fresh.read([write(tmp_path, "x;color;when\n1;g;2024-02-01\n", "new.csv")])
    with pytest.raises(RunnerError, match=r"line 2, column 'when': '01.02.2024' is no date as"):
        fresh.read([write(tmp_path, "x;colour;when\n1;g;01.02.2024\n", "new.csv")])
    with pytest.raises(RunnerError, match=r"line 2, column 'x': 'one' is no number"):
        fresh.read([write(tmp_path, "x;colour;when\none;g;2024-02-01\n", "new.csv")])


def test_the_state_of_runs_of_before_is_understood(tmp_path):
    data = CsvTable(root="gone.csv", target="y")
    data.load_state_dict({"class_names": None, "features": ["a", "b"], "mean": [1.0, 2.0], "std": [2.0, 4.0]})
    new = write(tmp_path, "b,a\n10,5\n")
    assert data.transform(data.read([new])).tolist() == [[2.0, 2.0]]


def test_a_table_without_a_header_is_predicted_for_with_and_without_its_target(tmp_path):
    path = write(tmp_path, "".join(f"{i * i},{i % 5},{i % 3}.5\n" for i in range(30)))
    data = set_up(path, target="column_1", header=False, standardize=False)
    assert data.features == ["column_2", "column_3"]
    for text in ("9,4,2.5\n", "4,2.5\n"):
        assert data.read([write(tmp_path, text, "new.csv")]).tolist() == [[4.0, 2.5]]
    with pytest.raises(RunnerError, match="4 columns without names; the table of the training had 3"):
        data.read([write(tmp_path, "1,2,3,4\n", "new.csv")])


def test_folds_fit_anew(tmp_path):
    data = CsvTable(root=str(write(tmp_path, "x,y\n" + rows([i * i for i in range(30)]))), target="y")
    data.setup()
    before = data.preparation.mean
    data.use_fold(1, 3)
    assert data.preparation.mean != before
    assert data.preparation.mean == [pytest.approx(float(data.splits["train"].inputs.mean()))]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["5kg", "6kg", "7 kg"], r"taken for names, though its texts look like numbers or dates \('5kg'"),
        (["(5)", "(6.5)", "7%"], "taken for names, though its texts look like numbers"),
        (["28:15", "12:30", "3:59"], "taken for names, though its texts look like numbers"),
        (["Yes", "no", "yes"], "Yes and yes differ in capitals only"),
        (["01067", "01069", "80331"], r"leading zeros \('01067'\).*data.categorical=\[c\]"),
        ([20240131, 20240201, 20240202], r"numbers such as 20240131, which look like dates.*data.date_format=%Y%m%d"),
        ([2**64 + i for i in range(9)], "left out: it holds whole numbers of so many digits"),
    ],
)
def test_what_may_be_meant_otherwise_is_said(tmp_path, cells, said):
    data = set_up(write(tmp_path, "c,x,y\n" + rows(cells, [i % 5 for i in range(len(cells))])))
    assert len(data.remarks) == 1
    assert re.search(said, data.remarks[0])


@pytest.mark.parametrize(
    "cells", [["20-30", "30-40", "40-50"], ["10.0.0.1", "10.0.0.2", "10.0.0.1"], ["a1", "b2", "c"]]
)
def test_names_with_digits_are_names(tmp_path, cells):
    assert set_up(write(tmp_path, "c,y\n" + rows(cells))).remarks == []


def test_whole_numbers_are_dates_where_the_format_says_so(tmp_path):
    data = set_up(write(tmp_path, "d,x,y\n" + rows([20240131, 20240201], [1234, 5678])), date_format="%Y%m%d")
    assert [column.kind for column in data.columns] == ["date", "number"]
    assert (data.splits["train"].inputs[:, 0] / DAY).diff().tolist() == [1.0]
    assert data.read([write(tmp_path, "x,d\n1,20240301\n", "new.csv")])[0, 0] == 19_783 * DAY


def test_log_files_and_compact_dates_are_read(tmp_path):
    for text in (
        "d;y\n2024-01-01 00:00:00,5;1\n2024-01-02 00:00:00,5;2\n",
        "d,y\n20240101T0000Z,1\n20240102T0000Z,2\n",
    ):
        data = set_up(write(tmp_path, text))
        assert data.columns[0].kind == "date"
        assert data.splits["train"].inputs[:, 0].diff().tolist() == [DAY]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("d,y\n2024-01-31,1\n01/31/2024,2\n31.01.2024,3\n", "'2024-01-31' and '01/31/2024' are dates written in diff"),
        ("d,y\n01-Jan-24,1\n02-Feb-24,2\n", "whose year has two digits.*data.date_format=%d-%b-%y"),
        ("a b y\n1 2 3\n4 5 6\n", "Where blanks divide the cells, set data.delimiter=space"),
        ('{"a":1,"y":2}\n{"a":2,"y":3}\n', "it is JSON"),
    ],
)
def test_more_that_can_not_be_used_is_told(tmp_path, text, message):
    with pytest.raises(RunnerError, match=message):
        set_up(write(tmp_path, text))


def test_remarks_before_the_header_are_skipped_and_said_and_a_header_may_begin_with_the_sign(tmp_path):
    data = set_up(write(tmp_path, "# made by x, on y, in z\n# second\na,b,y\n1,2,3\n4,5,6\n"))
    assert data.features == ["a", "b"]
    assert data.remarks == [f"{tmp_path / 't.csv'} begins with lines of remarks (#), which are skipped: 2."]
    assert set_up(write(tmp_path, "#a,b,y\n1,2,3\n4,5,6\n")).features == ["#a", "b"]


def test_several_blanks_between_cells_are_one(tmp_path):
    data = set_up(write(tmp_path, "a     b   y\n1     2   3\n 44   5   6 \n"), delimiter="space")
    assert data.splits["train"].inputs.tolist() == [[1, 2], [44, 5]]


@pytest.mark.parametrize("cell", ["2", "0.5"])
def test_only_one_and_zero_stand_for_true_and_false(tmp_path, cell):
    data = set_up(write(tmp_path, "b,y\ntrue,1\nfalse,2\n"))
    assert data.read([write(tmp_path, "b\n1\n0\n", "new.csv")]).flatten().tolist() == [1, 0]
    with pytest.raises(RunnerError, match=f"'{cell}' is neither true nor false"):
        data.read([write(tmp_path, f"b\n{cell}\n", "new.csv")])


def test_a_category_that_another_tool_wrote_as_a_fraction_is_known(tmp_path):
    data = set_up(write(tmp_path, "z,y\n1,1\n2,2\n"), categorical=["z"])
    assert data.read([write(tmp_path, "z\n1.0\n01\n", "new.csv")]).flatten().tolist() == [0, 2]


def test_a_target_of_two_numbers_is_said_to_be_predicted_as_a_number(tmp_path):
    path = write(tmp_path, "x,y\n" + "".join(f"{i % 7},{'true' if i % 3 else 'false'}\n" for i in range(30)))
    assert "task=binary_classification takes them for classes" in set_up(path).remarks[-1]


def test_a_target_of_numbers_that_are_named_categorical_is_refused(tmp_path):
    with pytest.raises(RunnerError, match=r"data\.categorical takes the target 'y' for names"):
        set_up(write(tmp_path, "x,y\n1,2\n3,4\n"), categorical=["y"])


def test_whole_numbers_of_64_bits_are_exact_whatever_is_predicted_for(tmp_path):
    table = pa.table({"a": pa.array([2**64 - 1, 2**63, 2**63 + 5], pa.uint64()), "y": [1, 2, 3]})
    pq.write_table(table, tmp_path / "t.parquet")
    data = set_up(tmp_path / "t.parquet")
    assert data.splits["train"].inputs.flatten().tolist() == [float(2**63 - 1), 0.0, 5.0]
    assert data.read([write(tmp_path, "a\n5\n", "new.csv")]).tolist() == [[float(5 - 2**63)]]


def test_columns_of_lists_are_left_out_and_texts_stripped(tmp_path):
    table = pa.table({"l": [[1], [2]], "t": ["x ", "x"], "d": pa.array([1000, 2500], pa.duration("ms")), "y": [1, 2]})
    pq.write_table(table, tmp_path / "t.parquet")
    data = set_up(tmp_path / "t.parquet")
    assert data.splits["train"].inputs.tolist() == [[0, 1.0], [0, 2.5]]
    assert "Column 'l' is left out: it holds list<" in data.remarks[0]
    with pytest.raises(RunnerError, match=r"column 'l': holds list<.*Leave the column out of data.features"):
        set_up(tmp_path / "t.parquet", features=["l"])
