"""Help, lists and mistakes are answered before torch is imported."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from runner.cli.main import main
try:
    status = main({arguments!r})
except SystemExit as stop:
    status = stop.code
heavy = [name for name in ("torch", "torchvision", "pytorch_lightning", "timm", "sklearn", "matplotlib", "numpy")
         if name in sys.modules]
print("STATUS", status, "HEAVY", heavy, file=sys.stderr)
"""


def start(*arguments):
    program = PROGRAM.format(arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["list"], 0),
        (["list", "model"], 0),
        (["show", "model/resnet"], 0),
        (["check", "--help"], 0),
        (["export-weights", "--help"], 0),
        (["resume", "--help"], 0),
        (["--cfg", "job"], 0),
        (["optimzer.lr=1"], 2),
        (["model=resnet50x"], 2),
        (["model=linear", "data=digits"], 2),
        (["optimizer.lr=-1"], 2),
        (["lst"], 2),
        (["data=image_folder", "data.root=nowhere"], 2),
        (["predict", "nowhere", "nothing.png"], 2),
        (["-sc", "install=bash"], 0),
        (["-m", "modl=cnn,mlp"], 2),
    ],
)
def test_nothing_heavy_is_imported(arguments, status):
    done = start(*arguments)
    assert f"STATUS {status} HEAVY []" in done.stderr.replace("STATUS None", "STATUS 0"), done.stderr
