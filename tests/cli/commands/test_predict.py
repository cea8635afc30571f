"""predict: what a trained network says about the user's own files."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from runner.cli.main import main
from runner.job.assemble import restore
from runner.tracking.run_directory import RunDirectory


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The last thirty digits as PNG files, and what they show."""
    folder, digits = tmp_path_factory.mktemp("images"), load_digits()
    files = {}
    for number in range(-30, 0):
        pixels = (digits.images[number] * (255 / 16)).round().astype(np.uint8)
        path = folder / f"digit{-number}.png"
        Image.fromarray(pixels).resize((28, 28), Image.Resampling.BICUBIC).save(path)
        files[str(path)] = str(digits.target[number])
    return files


@pytest.fixture(scope="module")
def regression_run(tmp_path_factory):
    """A run on a table of the user's own: y = 3a - 2b + 1, exactly."""
    folder = tmp_path_factory.mktemp("table")
    generator = np.random.default_rng(0)
    with (folder / "table.csv").open("w") as file:
        file.write("a,name,b,y\n")
        for a, b in generator.normal(size=(60, 2)):
            file.write(f"{a},x,{b},{3 * a - 2 * b + 1}\n")
    overrides = ["data=csv", f"data.root={folder / 'table.csv'}", "data.target=y", "data.features=[a,b]"]
    overrides += ["data.batch_size=64", "model=linear", "optimizer=lbfgs", "scheduler=none", "logger=none"]
    assert main([*overrides, "trainer.max_epochs=5", "trainer=cpu", f"hydra.run.dir={folder / 'run'}"]) == 0
    return folder / "run"


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_images_get_their_class_names_and_probabilities(digits_run, images, tmp_path, capsys):
    output = tmp_path / "out.csv"
    assert main(["predict", str(digits_run), *images, "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"30 predictions: {output}\n"
    rows = read(output)
    assert [row["input"] for row in rows] == list(images)
    assert sum(row["prediction"] == images[row["input"]] for row in rows) >= 27
    assert all(0.1 < float(row["probability"]) <= 1 for row in rows)


def test_the_probability_is_the_softmax_of_the_best_weights(digits_run, images, tmp_path):
    path = next(iter(images))
    assert main(["predict", str(digits_run), path, "-o", str(tmp_path / "out.csv")]) == 0
    _, task = restore(RunDirectory(digits_run).config(), digits_run)
    pixels = torch.from_numpy(np.array(Image.open(path))).float()[None, None] / 255
    with torch.no_grad():
        probabilities = task.network((pixels - 0.3117) / 0.3561).softmax(1)[0]
    row = read(tmp_path / "out.csv")[0]
    assert row["prediction"] == str(int(probabilities.argmax()))
    assert float(row["probability"]) == pytest.approx(float(probabilities.max()), abs=1e-5)


def test_without_an_output_file_a_table_is_printed(digits_run, images, capsys):
    path = next(iter(images))
    assert main(["predict", str(digits_run), path]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["input", "prediction", "probability"]
    assert row.split()[:2] == [path, images[path]]


def test_a_colour_image_of_any_size_is_taken(digits_run, images, tmp_path, capsys):
    path = next(iter(images))
    large = tmp_path / "large.jpg"
    Image.open(path).convert("RGB").resize((280, 280), Image.Resampling.BICUBIC).save(large)
    assert main(["predict", str(digits_run), str(large)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[1] == images[path]


def test_rows_of_a_table_are_predicted_in_its_units(regression_run, tmp_path):
    table, output = tmp_path / "new.csv", tmp_path / "out.csv"
    table.write_text("b;a\n0;0\n1;0\n0;2\n")  # other order, other separator, no target
    assert main(["predict", str(regression_run), str(table), "--output", str(output)]) == 0
    rows = read(output)
    assert [row["input"] for row in rows] == [f"{table}:{number}" for number in (1, 2, 3)]
    assert [float(row["prediction"]) for row in rows] == pytest.approx([1, -1, 7], abs=1e-3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a\n1\n", "has no column 'b'. Its columns: a."),
        ("a,b\n1\n", "line 2: 1 values, but the header names 2 columns"),
        ("a,b\n1,two\n", "line 2, column 'b': 'two' is no number"),
        ("", "is empty. It needs a header line and rows"),
    ],
)
def test_a_table_that_does_not_fit_is_explained(regression_run, tmp_path, capsys, content, words):
    (tmp_path / "bad.csv").write_text(content)
    assert main(["predict", str(regression_run), str(tmp_path / "bad.csv")]) == 2
    assert words in capsys.readouterr().err


def test_what_is_no_input_is_named(digits_run, images, tmp_path, capsys):
    (tmp_path / "text.png").write_text("no picture")
    good = next(iter(images))
    cases = {
        (str(digits_run), "missing.png", "gone.png"): "error: missing.png, gone.png: there is no such file.",
        (str(digits_run), good, str(tmp_path / "text.png")): "text.png can't be read as an image",
        (str(tmp_path), good): "no run directory (it holds no config.yaml)",
        (str(digits_run), good, "-o", str(tmp_path / "no" / "out.csv")): "out.csv: there is no directory",
    }
    for arguments, words in cases.items():
        assert main(["predict", *arguments]) == 2
        assert words in capsys.readouterr().err
