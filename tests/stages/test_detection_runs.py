"""Detectors within runs: quantized, exported with boxes inside, pruned under a teacher, of regions, of one object."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from faster_coco_eval.core import mask as coco_masks
from PIL import Image

from runner.cli.main import main
from runner.config.compose import compose
from tests.support.runs import Run

DATA = ("data=shapes_boxes", "data.samples=64", "data.image_size=32", "trainer=cpu", "logger=csv")
TINY = (*DATA, "model.channels=[8,8,16,16]", "model.width=16", "task.score=0.01")
SHORT = ("trainer.max_epochs=8", "optimizer.lr=0.02", "trainer.check_val_every_n_epoch=4")


def run(path: Path, *overrides: str) -> Run:
    assert main([*overrides, f"hydra.run.dir={path}"]) == 0
    return Run(path)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory) -> Run:
    """A detector, fine-tuned under rounding and exported with what makes boxes of its maps."""
    qat = ("quantization=qat", "quantization.fine_tune.epochs=1", "quantization.calibration.batches=1")
    files = ("stages=[fit,test,compress,test,export]", "export.decode=true", "export.formats=[program,onnx]")
    return run(tmp_path_factory.mktemp("detector") / "run", *TINY, *SHORT, *qat, *files)


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    """A red square on grey, twice as wide as high."""
    path = tmp_path_factory.mktemp("pictures") / "square.png"
    image = Image.new("RGB", (64, 32), (120, 120, 120))
    image.paste((220, 30, 30), (10, 8, 26, 24))
    image.save(path)
    return path


def test_the_head_stays_in_float_and_all_else_is_quantized(boxes):
    network = 2 * 4 + 4 + 2 + 1 + 2  # convolutions: trunk, its residuals, laterals, join and box; two heads stay
    assert boxes.metrics["compressed/int8_operators"] < network + 2
    assert {"compressed/map", "compressed/map50", "test/map"} <= boxes.metrics.keys()


def test_files_answer_with_the_networks_boxes(boxes):
    assert boxes.metrics["export/program/equal_boxes"] == 1
    assert boxes.metrics["export/onnx/equal_boxes"] > 0.8
    files = boxes.json("result")["artifacts"]
    assert files["int8_boxes_onnx"]["path"] == "artifacts/int8_boxes.onnx"
    assert files["int8_boxes_program"]["network"] == "int8_boxes"


def test_predict_tells_boxes_alike_by_a_file_and_by_the_run(boxes, picture, tmp_path):
    rows = []
    for name in ("int8_boxes.onnx", "int8_boxes.pt2"):
        out = tmp_path / f"{name}.csv"
        file = str(boxes.path / "artifacts" / name)
        assert main(["predict", file, str(picture), "-o", str(out), "--draw", str(tmp_path)]) == 0
        assert Image.open(tmp_path / "square_boxes.png").size == (64, 32)
        rows.append(list(csv.DictReader(out.open())))
    assert 0 < len(rows[0]) <= 100
    assert {"class", "score", "x1", "y2"} <= rows[0][0].keys()
    assert rows[0][0]["class"] == rows[1][0]["class"]
    assert float(rows[0][0]["score"]) == pytest.approx(float(rows[1][0]["score"]), abs=0.02)


def test_channels_are_pruned_while_a_teachers_layers_are_looked_at(boxes, tmp_path):
    pruned = run(
        tmp_path / "run",
        *(*TINY, "trainer.max_epochs=1", "pruning=channel", "pruning.ratio=0.4", "pruning.rounds=1"),
        *("distillation=features", f"distillation.teacher={boxes.path}", "stages=[fit,prune,test]"),
    )
    assert pruned.json("result")["parameters"] < 0.6 * boxes.json("result")["parameters"]
    assert "pruned/map50" in pruned.metrics


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((*TINY, "distillation=logits", "distillation.teacher={run}"), "distillation=features or attention"),
        ((*DATA, "model=faster_rcnn", "quantization=ptq_static"), "differs from image to image.*Compress model=yolo"),
        (("data=shapes_instances", *DATA[1:], "quantization=qat"), "differs from image to image"),
        (("data=shapes_boxes", "model=mask_rcnn"), "instances"),
        ((*DATA, "model=faster_rcnn", "stages=[fit,export]", "export.formats=[aot]"), "these can: onnx"),
        (("data=digits", "stages=[fit,export]", "export.decode=true"), "Classification has no boxes"),
        ((*DATA, "data.image_size=8"), r"data\.image_size=16"),
        ((*DATA, "model=localizer"), "this network is for localization"),
        ((*DATA, "task=localization"), "Networks that suit: localizer"),
        (("data=digits", "data.num_classes=1"), "at least two classes"),
    ],
)
def test_what_cannot_be_is_refused_by_check_with_the_way_out(boxes, capsys, overrides, said):
    assert main(["check", *(each.format(run=boxes.path) for each in overrides)]) == 2
    assert re.search(said, " ".join(capsys.readouterr().err.split()))


def test_weights_of_other_classes_come_without_the_head(boxes, tmp_path, capsys):
    root = tmp_path / "one_class"
    for part in ("train", "val"):
        for kind in ("images", "labels"):
            (root / kind / part).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (32, 32), (90, 20 * number, 150)).save(root / "images" / part / f"{number}.png")
            label = "0 0.5 0.5 0.4 0.4\n" if number else ""  # one picture without an object
            (root / "labels" / part / f"{number}.txt").write_text(label)
    (root / "data.yaml").write_text("names: [cat]\n")
    own = ("data=box_folder", f"data.root={root}", "data.image_size=32", *TINY[3:], "trainer.max_epochs=1")
    assert compose(["data=box_folder", f"data.root={root}"]).config.data.num_classes == 1
    assert main(["check", *own, f"checkpoint={boxes.path}"]) == 2
    assert "checkpoint_strict=false" in capsys.readouterr().err
    tuned = run(tmp_path / "run", *own, f"checkpoint={boxes.path}", "checkpoint_strict=false", "stages=[fit]")
    assert 0 <= tuned.metrics["val/map"] <= 1


def test_faster_rcnn_logs_each_of_its_losses_and_becomes_onnx(tmp_path, picture):
    small = ("model=faster_rcnn", "model.channels=[8,8,8,8]", "model.width=8", "model.hidden=16", "model.proposals=20")
    regions = run(tmp_path / "run", *DATA, *small, "trainer.max_epochs=1", "stages=[fit,test,export]")
    parts = [f"train/loss_{name}" for name in ("objectness", "rpn_box_reg", "classifier", "box_reg")]
    assert regions.metrics["train/loss"] == pytest.approx(sum(regions.metrics[part] for part in parts), rel=1e-4)
    assert "test/loss" not in regions.metrics
    assert "test/map" in regions.metrics
    assert set(regions.json("result")["artifacts"]) == {"float_onnx", "serving"}
    assert main(["predict", str(regions.path / "artifacts" / "float.onnx"), str(picture)]) == 0


def test_mask_rcnn_measures_draws_and_writes_the_pixels_of_each_object(tmp_path, picture):
    small = ("model.channels=[8,8,8,8]", "model.width=8", "model.hidden=16", "model.proposals=20", "task.score=0.01")
    data = ("data=shapes_instances", *DATA[1:], "model.mask_width=8", "model.mask_layers=1", "logger=both")
    instances = run(tmp_path / "run", *data, *small, "trainer.max_epochs=1", "stages=[fit,test,export]")
    assert {"train/loss_mask", "test/map", "test/mask_map", "test/mask_map50"} <= instances.metrics.keys()
    assert set(instances.json("result")["artifacts"]) == {"float_onnx", "serving"}
    folder, output = tmp_path / "drawn", tmp_path / "found.json"
    for source in (instances.path, instances.path / "artifacts" / "float.onnx"):
        assert main(["predict", str(source), str(picture), "--draw", str(folder), "-o", str(output)]) == 0
        found = json.loads(output.read_text())["annotations"]
        objects = np.asarray(Image.open(folder / "square_objects.png"))
        assert objects.shape == (32, 64)
        assert found
        for number, each in enumerate(found, start=1):
            runs = coco_masks.frPyObjects(each["segmentation"], *each["segmentation"]["size"])
            assert np.array_equal(coco_masks.decode(runs).astype(bool), objects == number)
            assert each["area"] == (objects == number).sum()
    assert Image.open(folder / "square_overlay.png").size == (64, 32)


def test_one_object_is_localized_and_its_box_exported(tmp_path):
    one = ("task=localization", "model=localizer", "model.channels=[8,8]", "model.hidden=16", "data.most=1")
    files = ("stages=[fit,test,export]", "export.decode=true", "export.formats=[program]")
    localized = run(tmp_path / "run", *DATA, *one, *SHORT, *files)
    assert 0 <= localized.metrics["test/mean_iou"] <= 1
    assert localized.metrics["export/program/equal_boxes"] == 1
    content = torch.load(localized.path / "checkpoints" / "best.ckpt", weights_only=True)
    assert json.dumps(sorted(content["state_dict"])).count("head") == 2
