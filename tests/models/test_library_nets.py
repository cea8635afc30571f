"""Networks of torchvision and timm follow the data's channels, size and classes, or say why they can't."""

import huggingface_hub.constants
import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.nn.functional import pad

from runner.models.surgery import fit_first_convolution
from runner.models.timm import timm_model
from runner.models.torchvision import torchvision_model

BOTH = [torchvision_model, timm_model]


def meta_output(build, name: str, channels: int, size: int, outputs: int) -> tuple[int, ...]:
    with torch.device("meta"):
        network = build(name, channels, size, outputs)
        return tuple(network(torch.empty(2, channels, size, size)).shape)


def state_for(name: str, monkeypatch: pytest.MonkeyPatch, **arguments) -> nn.Module:
    """A network of 1000 classes whose values torchvision "downloads" as its trained ones."""
    source = torchvision.models.get_model(name, weights=None, **arguments)
    state = source.state_dict()
    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", lambda *a, **k: state)
    return source.eval()


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(
    "name",
    ["resnet18", "mobilenet_v2", "efficientnet_b0", "googlenet", "squeezenet1_1", "regnet_y_400mf", "swin_t"],
)
def test_torchvision_nets_follow_28x28_data_in_training(name, channels):
    assert meta_output(torchvision_model, name, channels, 28, 7) == (2, 7)


@pytest.mark.parametrize(("name", "size"), [("vit_b_16", 32), ("inception_v3", 75), ("maxvit_t", 224)])
def test_torchvision_nets_built_for_one_size_get_it(name, size):
    assert meta_output(torchvision_model, name, 1, size, 7) == (2, 7)


@pytest.mark.parametrize(
    "name",
    ["resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224", "mixer_s16_224", "swin_tiny_patch4_window7_224"],
)
@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32)])
def test_timm_nets_follow_the_data_in_training(name, channels, size):
    assert meta_output(timm_model, name, channels, size, 7) == (2, 7)


def test_vit_of_timm_pads_images_to_whole_patches_instead_of_cutting_them():
    torch.manual_seed(0)
    padded = timm_model("vit_tiny_patch16_224", 1, 28, 10).eval()
    whole = timm_model("vit_tiny_patch16_224", 1, 32, 10).eval()
    whole.load_state_dict(padded.state_dict())
    images = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(padded(images), whole(pad(images, (2, 2, 2, 2))))


@pytest.mark.parametrize(
    ("build", "name", "size", "works"),
    [
        (torchvision_model, "vit_b_16", 28, 32),
        (torchvision_model, "vgg11", 28, 32),
        (torchvision_model, "alexnet", 28, 63),
        (timm_model, "convnext_atto", 28, 32),
        (timm_model, "vgg11", 28, 32),
    ],
)
def test_a_size_that_cannot_work_is_refused_with_the_next_that_does(build, name, size, works):
    with pytest.raises(ValueError, match=rf"{name} can't take images of 28x28.*data\.image_size={works} "):
        meta_output(build, name, 1, size, 10)
    assert meta_output(build, name, 1, works, 10) == (2, 10)
    with pytest.raises(ValueError, match="can't take"):
        meta_output(build, name, 1, works - 1, 10)


@pytest.mark.parametrize(
    ("build", "wrong", "right"),
    [
        (torchvision_model, "resnet81", "resnet18"),
        (timm_model, "vit_tinny_patch16_224", "vit_tiny_patch16_224"),
        (timm_model, "resnet18.nowhere", "resnet18.a1_in1k"),
        (torchvision_model, "zzz", "resnet18"),
        (timm_model, "zzz", "resnet18"),
    ],
)
def test_an_unknown_name_is_answered_with_near_ones(build, wrong, right):
    with pytest.raises(ValueError, match=right):
        build(wrong, 3, 32, 10)


@pytest.mark.parametrize("build", BOTH)
def test_an_argument_that_the_network_does_not_take_is_named(build):
    with pytest.raises(ValueError, match=r"resnet18 refuses its arguments.*wdith"):
        build("resnet18", 3, 32, 10, wdith=2)


@pytest.mark.parametrize("build", BOTH)
def test_further_arguments_reach_the_library(build):
    key = "dropout" if build is torchvision_model else "drop_rate"
    with torch.device("meta"):
        network = build("mobilenet_v2" if build is torchvision_model else "mobilenetv2_100", 3, 32, 10, **{key: 0.4})
    dropouts = {m.p for m in network.modules() if isinstance(m, nn.Dropout)} | {getattr(network, "drop_rate", None)}
    assert 0.4 in dropouts


def test_a_single_channel_keeps_the_response_to_grey_images():
    original = nn.Sequential(nn.Conv2d(3, 4, 3))
    fitted = nn.Sequential(nn.Conv2d(3, 4, 3))
    fitted.load_state_dict(original.state_dict())
    fit_first_convolution(fitted, 1)
    grey = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(fitted(grey), original(grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_channels_are_fitted_as_timm_does(channels):
    network = nn.Sequential(nn.Conv2d(3, 4, 3))
    expected = timm.models.adapt_input_conv(channels, network[0].weight.detach())
    fit_first_convolution(network, channels)
    torch.testing.assert_close(network[0].weight.detach(), expected)


def test_torchvision_weights_keep_all_but_the_head(monkeypatch):
    source = state_for("resnet18", monkeypatch)
    network = torchvision_model("resnet18", 1, 28, 10, weights="IMAGENET1K_V1").eval()
    assert network.fc.out_features == 10
    source.fc, network.fc = nn.Identity(), nn.Identity()
    grey = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        features = source(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(network(grey), features, atol=1e-4, rtol=1e-4)


def test_torchvision_weights_keep_the_head_of_their_own_classes(monkeypatch):
    source = state_for("squeezenet1_1", monkeypatch)
    network = torchvision_model("squeezenet1_1", 3, 64, 1000, weights="DEFAULT").eval()
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(network(images), source(images))


@pytest.mark.filterwarnings("ignore:auxiliary heads")
@pytest.mark.parametrize("channels", [1, 3])
def test_googlenet_with_weights_has_no_auxiliary_heads(monkeypatch, channels):
    state_for("googlenet", monkeypatch, aux_logits=True, init_weights=False)
    network = torchvision_model("googlenet", channels, 64, 10, weights="DEFAULT")
    assert network.train()(torch.randn(2, channels, 64, 64)).shape == (2, 10)
    assert not [name for name, _ in network.named_parameters() if name.startswith("aux")]


def test_unknown_torchvision_weights_are_answered_with_the_known():
    with pytest.raises(ValueError, match=r"'IMAGENET'.*IMAGENET1K_V1, IMAGENET1K_V2"):
        torchvision_model("resnet50", 3, 32, 10, weights="IMAGENET")


def test_torchvision_weights_for_one_size_name_it():
    with (
        pytest.raises(ValueError, match=r"vit_b_16 are for images of 224x224.*data\.image_size=224"),
        torch.device("meta"),
    ):
        torchvision_model("vit_b_16", 3, 32, 10, weights="DEFAULT")


def test_a_failed_torchvision_download_says_where_to_put_the_file(monkeypatch):
    def offline(*arguments, **keywords):
        raise OSError("Name or service not known")

    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", offline)
    with pytest.raises(ValueError, match=r"(?s)could not be had.*resnet18-f37072fd\.pth into .*model\.weights=null"):
        torchvision_model("resnet18", 3, 32, 10, weights="DEFAULT")


def test_a_failed_timm_download_says_how_to_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"(?s)could not be had.*model\.pretrained=false"):
        timm_model("resnet18", 3, 32, 10, pretrained=True)


@pytest.mark.parametrize("arguments", [{"weights": "DEFAULT"}, {"pretrained": True}])
def test_no_weights_are_fetched_on_the_meta_device(monkeypatch, arguments):
    def fetched(*_, **__):
        raise AssertionError("weights were fetched")

    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", fetched)
    monkeypatch.setattr(timm.models._builder, "load_pretrained", fetched)
    build = torchvision_model if "weights" in arguments else timm_model
    with torch.device("meta"):
        assert next(build("resnet18", 1, 28, 10, **arguments).parameters()).is_meta


@pytest.mark.parametrize(
    ("build", "plain"), [(torchvision_model, torchvision.models.get_model), (timm_model, timm.create_model)]
)
def test_a_seed_gives_the_same_weights_as_the_library_itself(build, plain):
    torch.manual_seed(3)
    ours = build("resnet18", 3, 32, 10).state_dict()
    torch.manual_seed(3)
    theirs = plain("resnet18", num_classes=10).state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_kernels_are_fitted_as_timm_does(channels):
    convolution = nn.Conv2d(3, 8, 3)
    wanted = timm.models.adapt_input_conv(channels, convolution.weight.detach())
    fit_first_convolution(nn.Sequential(convolution), channels)
    assert torch.equal(convolution.weight, wanted)
