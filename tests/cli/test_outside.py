"""Code and data of the user's own, from a directory outside this project."""

import csv
import json
import sys

import numpy as np
import pytest
from PIL import Image

from runner.cli.main import main

NETWORK = '''\
import torch


class Net(torch.nn.Sequential):
    """One hidden layer."""

    def __init__(self, in_channels, image_size, num_outputs, width=8):
        inputs = in_channels * image_size**2
        super().__init__(
            torch.nn.Flatten(), torch.nn.Linear(inputs, width), torch.nn.ReLU(), torch.nn.Linear(width, num_outputs)
        )
'''
YAML = """\
# A network of my own
# python -m runner model=mine runner.plugins=[my_package]
# Expect little
_target_: my_package.net.Net
takes: [image]
in_channels: ${data.channels}
image_size: ${data.image_size}
num_outputs: ${task.num_outputs}
width: 8
"""
SHORT = ["trainer.max_epochs=1", "trainer=cpu"]
COLOURS = {"blue": (20, 40, 220), "red": (220, 40, 20)}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory of the user's with a package and a choice."""
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "net.py").write_text(NETWORK)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    forget("my_package")
    yield tmp_path
    forget("my_package")


def forget(package):
    """Another test's package of the same name is another package."""
    for name in [each for each in sys.modules if each.split(".")[0] == package]:
        del sys.modules[name]


def test_a_network_of_the_users_own(place, runner):
    done = runner("model=mine", "runner.plugins=[my_package]", "mode=smoke", "model.width=4", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    result = json.loads((place / "run" / "result.json").read_text())
    assert result["name"] == "mine-digits"
    assert result["parameters"] == 784 * 4 + 4 + 4 * 10 + 10


def test_without_the_plugin_it_is_refused_and_the_way_told(place, capsys):
    assert main(["model=mine", *SHORT]) == 2
    error = capsys.readouterr().err
    assert "model._target_=my_package.net.Net: not in an allowed package" in error
    assert "add runner.plugins=[my_package]" in error


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model.width=0.5"], "model (my_package.net.Net): "),
        (["+model.depth=3"], "my_package.net.Net does not take depth. "),
        (
            ["model._target_=my_package.net.Nett"],
            "my_package.net.Nett: does not exist in that module. Did you mean Net?",
        ),
        (["model._target_=my_package.nett.Net"], "my_package.nett.Net: cannot be imported"),
        (["data=line"], "model=mine data=line: this network takes image data, not tabular"),
    ],
)
def test_what_is_wrong_with_it_is_told(place, capsys, overrides, words):
    assert main(["check", "model=mine", "runner.plugins=[my_package]", *overrides]) == 2
    assert words in capsys.readouterr().err


def test_images_of_the_users_own_are_learnt_and_predicted(place):
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (place / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(np.array(colour) + generator.normal(0, 20, (24, 30, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / "photos" / name / f"{number}.png")
    overrides = ["data=image_folder", "data.root=photos", "data.image_size=16", "model=mlp", "logger=none"]
    assert main([*overrides, "trainer.max_epochs=5", "trainer=cpu", "hydra.run.dir=run"]) == 0
    (place / "photos").rename(place / "elsewhere")  # prediction needs the weights alone
    asked = [str(place / "elsewhere" / name / "0.png") for name in COLOURS]
    assert main(["predict", "run", *asked, "-o", "answers.csv"]) == 0
    with (place / "answers.csv").open(newline="") as file:
        assert [row["prediction"] for row in csv.DictReader(file)] == list(COLOURS)


@pytest.mark.parametrize(
    ("task", "metric"), [("classification", "test/accuracy"), ("binary_classification", "test/auroc")]
)
def test_a_table_of_the_users_own_with_classes(place, task, metric):
    rows = "".join(f"{x},{x * x},{'big' if x > 0 else 'small'}\n" for x in range(-30, 31) if x)
    (place / "sizes.csv").write_text(f"x,square,size\n{rows}")
    overrides = [
        "data=csv",
        "data.root=sizes.csv",
        "data.target=size",
        f"task={task}",
        "model=linear",
        "optimizer.lr=0.3",
    ]
    assert main([*overrides, "trainer.max_epochs=30", "trainer=cpu", "logger=none", "hydra.run.dir=run"]) == 0
    assert json.loads((place / "run" / "result.json").read_text())["metrics"][metric] > 0.9
    (place / "new.csv").write_text("square,x\n400,-20\n625,25\n")
    assert main(["predict", "run", "new.csv", "-o", "answers.csv"]) == 0
    with (place / "answers.csv").open(newline="") as file:
        assert [row["prediction"] for row in csv.DictReader(file)] == ["small", "big"]


def test_a_bad_table_is_told_before_a_directory_is_made(place, capsys):
    assert main(["data=csv", "data.root=gone.csv", "data.target=y"]) == 2
    assert "No such table: gone.csv" in capsys.readouterr().err
    assert not (place / "outputs").exists()
