"""Edge filters on the photographs that ship: learned back, drawn, and used on a picture of one's own."""

import json

import pytest
import torch
from PIL import Image

from runner.cli.main import main
from runner.data.images.filtering.edges import EdgePatches
from runner.errors import RunnerError
from runner.measure.filters import EDGES


@pytest.mark.parametrize("kernel", ["vertical", "scharr_horizontal"])
def test_a_filter_is_learned_back_from_its_answers(kernel, tmp_path, capsys):
    run = tmp_path / "run"
    small = ["trainer.max_epochs=2", "trainer=cpu", "logger=none", "data.image_size=32", f"hydra.run.dir={run}"]
    assert main(["experiment=edges", f"data.kernel={kernel}", *small]) == 0
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    assert metrics["test/kernel_error"] < 0.01
    weights = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]["network.filter.weight"]
    torch.testing.assert_close(weights[0, 0], EDGES[kernel], rtol=0, atol=0.01)
    photo = tmp_path / "photo.png"
    Image.new("RGB", (50, 40), "white").save(photo)
    capsys.readouterr()
    assert main(["predict", str(run), str(photo)]) == 0
    assert abs(float(capsys.readouterr().out.splitlines()[1].split()[-1])) < 0.05, "an edge where there is none"


def test_pieces_tile_the_photographs_without_overlap():
    data = EdgePatches(kernel="sobel_vertical", channels=1, image_size=100)
    images = data.load().inputs
    assert images.shape == (2 * 4 * 6, 1, 100, 100)
    assert len({tuple(each.flatten()[:50].tolist()) for each in images}) == len(images)


def test_a_filter_that_is_none_is_named():
    with pytest.raises(RunnerError, match=r"data\.kernel=laplace: must be one of vertical, sobel_vertical"):
        EdgePatches(kernel="laplace", channels=1, image_size=32)
