"""The promises of the data sets: what the third header line of conf/data/NAME.yaml says that its own command reaches.

`NN %` is a share of right answers, `RMSE of NN` an error in the targets' units, `mean IoU of NN` and `mean average
precision of NN` are from 0 to 1; all are of the test split. Small data
sets are tried with every run of the tests, all of them, and over several seeds, by

    python -m tests.promises [NAME ...]

which leaves out what is neither there (`RUNNER_DATA`) nor to be had.
"""

import math
import re
import shlex
from dataclasses import dataclass

from runner.config import catalog

COMMAND = "python -m runner"
# Data sets whose headers promise no number, and why.
SILENT = {
    "box_folder": "is the user's own",
    "cifar10": "needs a GPU",
    "coco": "needs a GPU",
    "coco_instances": "needs a GPU",
    "csv": "is the user's own",
    "embedding_folder": "is the user's own",
    "fashion_mnist": "has to be downloaded, so no number was measured",
    "flowers102": "needs a GPU",
    "food101": "needs a GPU",
    "glyphs": "promises measures of embeddings, which are no share of right answers",
    "image_folder": "is the user's own",
    "instance_folder": "is the user's own",
    "lfw": "is no longer to be downloaded, so no number was measured",
    "mask_folder": "is the user's own",
    "mutag": "is so small that single runs say little",
    "omniglot": "has to be downloaded, so no number was measured",
    "oxford_pets": "needs a GPU",
    "proteins": "is so small that single runs say little",
    "random_images": "is noise",
    "unseen_digits": "promises measures of embeddings, which are no share of right answers",
    "style_pair": "is measured by experiment=style",
    "texts": "is the user's own",
    "shapes_instances": "is measured by experiment=shapes_mask_rcnn",
    "voc": "needs a GPU",
}
# Tried in every run of the tests, so many seeds each.
QUICK = {"hello": 5, "hours": 5, "line": 5, "karate": 1, "diabetes": 1}
SEEDS = 5
# Minutes a run: one seed says enough.
LONG = ("digits", "fake_names", "mnist", "names", "shapes_boxes", "shapes_masks")
# How far the mean over seeds may fall short: absolute for shares, relative for errors. Few seeds scatter more.
SHARE, ERROR = 0.01, 0.03
FEW = 3


@dataclass(frozen=True)
class Promise:
    """What a data set's own command reaches: `metric` at least `value` (`mode` max), or at most (min)."""

    overrides: tuple[str, ...]
    metric: str
    mode: str
    value: float

    def shortfall(self, measured: list[float]) -> float:
        """Return how far the mean over seeds falls short beyond the tolerance; 0 where the promise is kept."""
        mean = sum(measured) / len(measured)
        if math.isnan(mean):
            return math.inf
        factor = 2 if len(measured) < FEW else 1
        if self.mode == "max":
            return max(0.0, self.value - factor * SHARE - mean)
        return max(0.0, mean - self.value - factor * ERROR * self.value - 0.005)  # two decimals are promised


def promise(name: str) -> Promise | None:
    """Return the promise of a data set, read from its header; None where it promises no number."""
    choice = catalog.choices([catalog.own_config_directory()])["data"][name]
    overrides = [
        each for each in shlex.split(choice.command.removeprefix(COMMAND)) if not each.startswith("data.root=")
    ]
    if share := re.search(r"(\d+(?:\.\d+)?) %", choice.expect):
        return Promise(tuple(overrides), "test/accuracy", "max", float(share.group(1)) / 100)
    for words, metric in (("mean IoU", "test/mean_iou"), ("mean average precision", "test/map50")):
        if reached := re.search(rf"{words} of (\d+(?:\.\d+)?)", choice.expect):
            return Promise(tuple(overrides), metric, "max", float(reached.group(1)))
    if error := re.search(r"RMSE of (\d+(?:\.\d+)?)", choice.expect):
        return Promise(tuple(overrides), "test/rmse", "min", float(error.group(1)))
    return None
