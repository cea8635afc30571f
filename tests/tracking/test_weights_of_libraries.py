"""A small member of every family of networks is loaded from its own checkpoint, versions of its modules included."""

import warnings

import pytest
import timm
import torch
from torch import nn

from runner.tracking import checkpoints
from runner.tracking.weights.matching import below, versions

TORCHVISION = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vgg11_bn", "vit_b_32"),
    "wide_resnet50_2",
)
TIMM = (
    *("test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_mambaout", "test_byobnet", "test_nfnet"),
    *("mobilenetv3_small_050", "regnetx_002", "resnet10t", "edgenext_xx_small", "ghostnet_050", "hardcorenas_a"),
    *("lcnet_035", "mixer_s32_224", "mobilevit_xxs", "pit_ti_224", "poolformer_s12", "repvgg_a0"),
    *("tinynet_e", "xcit_nano_12_p16_224", "deit_tiny_patch16_224", "densenet121", "dla34", "dpn48b"),
    *("fbnetc_100", "inception_next_atto", "resmlp_12_224", "gmlp_ti16_224", "coat_tiny"),
    *(
        "efficientformerv2_s0",
        "fasternet_t0",
        "hrnet_w18_small",
        "selecsls42",
        "rexnetr_200",
        "skresnet18",
        "vovnet39a",
    ),
)


class Holder(nn.Module):
    """Stands for a task: its network alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network


def round_trip(network: nn.Module, path) -> None:
    """Save a network's state as a run does, and load it again; on the meta device, where no value takes memory."""
    state = below(network.state_dict(), checkpoints.NETWORK)
    for name, value in state.items():
        state[name] = torch.zeros((), dtype=value.dtype).expand(value.shape)
    content = {"state_dict": checkpoints.without_distillation_loss(state), "structure": []}
    checkpoints.save_weights(path, content)
    read = checkpoints.read_checkpoint(path)
    assert versions(read["state_dict"]) == versions(state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the meta device a copy does nothing
        loaded = checkpoints.load_weights(Holder(network), read, path)
    assert (loaded.loaded, loaded.fresh, loaded.ignored) == (len(network.state_dict()), {}, [])


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_torchvision_network_is_loaded_from_its_own_checkpoint(name, tmp_path):
    import torchvision

    with torch.device("meta" if "regnet" not in name else "cpu"):
        network = torchvision.models.get_model(name, num_classes=10)
    round_trip(network.to("meta"), tmp_path / "best.ckpt")


@pytest.mark.parametrize("name", TIMM)
def test_a_timm_network_is_loaded_from_its_own_checkpoint(name, tmp_path):
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=10)
    round_trip(network, tmp_path / "best.ckpt")
