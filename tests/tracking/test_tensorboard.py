"""TensorBoard's view of a run on images."""

import io
import json
import math

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

EPOCHS = 6


@pytest.fixture(scope="module")
def board(digits_run):
    events = EventAccumulator(str(digits_run / "tensorboard"), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    return events


@pytest.fixture(scope="module")
def result(digits_run):
    return json.loads((digits_run / "result.json").read_text())


@pytest.mark.parametrize("name", ["train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/f1"])
def test_curves_have_a_point_an_epoch(board, name):
    points = board.Scalars(name)
    assert len(points) == EPOCHS
    assert [point.step for point in points] == sorted({point.step for point in points})
    assert all(math.isfinite(point.value) for point in points)


def test_the_loss_falls(board):
    points = board.Scalars("train/loss")
    assert points[-1].value < 0.5 * points[0].value


def test_the_loss_of_the_steps_is_finer(board):
    steps = [point.step for point in board.Scalars("train/loss_step")]
    assert len(steps) > 2 * EPOCHS


def test_the_learning_rate_goes_up_and_down(board):
    (name,) = [tag for tag in board.Tags()["scalars"] if tag.startswith("lr") and "momentum" not in tag][:1]
    rates = [point.value for point in board.Scalars(name)]
    assert max(rates) == pytest.approx(0.01, rel=0.05)
    assert rates[0] < max(rates) > rates[-1]


def test_hyperparameters_stand_beside_the_final_metrics(board, result):
    content = board.PluginTagToContent("hparams")
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content["_hparams_/experiment"]).experiment
    session = plugin_data_pb2.HParamsPluginData.FromString(content["_hparams_/session_start_info"])
    chosen = session.session_start_info.hparams
    assert chosen["optimizer/lr"].number_value == 0.01
    assert chosen["model/_target_"].string_value == "runner.models.cnn.CNN"
    assert {info.name.tag for info in experiment.metric_infos} == {f"final/{name}" for name in result["metrics"]}
    for name, value in result["metrics"].items():
        (point,) = board.Scalars(f"final/{name}")
        assert point.value == pytest.approx(value, rel=1e-6)


def test_the_test_is_one_point(board, result):
    (point,) = board.Scalars("test/accuracy")
    assert point.value == pytest.approx(result["metrics"]["test/accuracy"])


@pytest.mark.parametrize(
    "name",
    [
        "train/first_batch",
        *(f"{split}/{picture}" for split in ("val", "test") for picture in ("confusion_matrix", "per_class_accuracy")),
        *(f"{split}/samples_{kind}" for split in ("val", "test") for kind in ("right", "wrong")),
    ],
)
def test_pictures_can_be_looked_at(board, name):
    (image,) = board.Images(name)
    pixels = Image.open(io.BytesIO(image.encoded_image_string))
    assert min(pixels.size) >= 100
    assert len(pixels.convert("L").getcolors()) > 10  # not an empty canvas


def test_the_networks_graph_is_there(board):
    nodes = {node.name for node in board.Graph().node}
    assert any("head" in name for name in nodes)
