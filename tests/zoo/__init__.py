"""The model zoo in int8: a small member of every torchvision family and of forty timm families, by three recipes.

`python -m tests.zoo` (`make zoo`) walks it, each network in a process of its own, and writes `docs/zoo.md`. What was
walked before, with the same versions, is kept; `python -m tests.zoo NAME ...` walks some of it anew.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROWS = Path(__file__).with_name("rows.json")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "zoo.md"
RECIPES = ("ptq_static", "qat", "ptq_dynamic")
# What a program must reach against the float network to be called right, in dB.
ENOUGH = 25.0
# Of CPU time, for one recipe.
SECONDS = 180


@dataclass(frozen=True)
class Member:
    """One network of a library: its family, its name there, pixels a side, and arguments that make it small.

    Windows of attention that images don't fill hold padding for the most part, whose answers say little.
    """

    library: str
    family: str
    name: str
    size: int = 64
    arguments: dict[str, Any] = field(default_factory=dict)


def _torchvision(family: str, name: str, size: int = 64, **arguments: Any) -> Member:
    return Member("torchvision", family, name, size, arguments)


def _timm(family: str, name: str, size: int = 64, **arguments: Any) -> Member:
    return Member("timm", family, name, size, arguments)


MEMBERS = (
    _torchvision("AlexNet", "alexnet"),
    _torchvision("ConvNeXt", "convnext_tiny"),
    _torchvision("DenseNet", "densenet121"),
    _torchvision("EfficientNet", "efficientnet_b0"),
    _torchvision("GoogLeNet", "googlenet"),
    _torchvision("Inception", "inception_v3", 96),
    _torchvision("MaxVit", "maxvit_t", 224),
    _torchvision("MNASNet", "mnasnet0_5"),
    _torchvision("MobileNetV2", "mobilenet_v2"),
    _torchvision("MobileNetV3", "mobilenet_v3_small"),
    _torchvision("RegNet", "regnet_y_400mf"),
    _torchvision("ResNet", "resnet18"),
    _torchvision("ResNeXt", "resnext50_32x4d", 32),
    _torchvision("ShuffleNetV2", "shufflenet_v2_x0_5"),
    _torchvision("SqueezeNet", "squeezenet1_1"),
    _torchvision("Swin", "swin_t"),
    _torchvision("SwinV2", "swin_v2_t"),
    _torchvision("VGG", "vgg11", 32),
    _torchvision("VisionTransformer", "vit_b_16", 32),
    _torchvision("WideResNet", "wide_resnet50_2", 32),
    _timm("ResNet-D", "resnet10t"),
    _timm("ResNeXt (SE)", "seresnext26t_32x4d"),
    _timm("ResNetV2", "resnetv2_18"),
    _timm("ResNeSt", "resnest14d"),
    _timm("RegNetX", "regnetx_002"),
    _timm("RegNetY", "regnety_002"),
    _timm("MobileNetV3", "mobilenetv3_small_050"),
    _timm("MobileNetV4", "mobilenetv4_conv_small_035"),
    _timm("EfficientNet-Lite", "efficientnet_lite0"),
    _timm("TinyNet", "tinynet_e"),
    _timm("GhostNet", "ghostnet_050"),
    _timm("LCNet", "lcnet_035"),
    _timm("HardCoRe-NAS", "hardcorenas_a"),
    _timm("FBNet", "fbnetc_100"),
    _timm("MixNet", "mixnet_s"),
    _timm("ReXNet", "rexnet_100"),
    _timm("HRNet", "hrnet_w18_small"),
    _timm("DLA", "dla46_c"),
    _timm("SelecSLS", "selecsls42"),
    _timm("VoVNet", "ese_vovnet19b_slim_dw"),
    _timm("CspNet", "cs3darknet_focus_s"),
    _timm("GENet", "gernet_s"),
    _timm("RepVGG", "repvgg_a0"),
    _timm("MobileOne", "mobileone_s0"),
    _timm("ConvNeXt", "convnext_atto"),
    _timm("ConvNeXtV2", "convnextv2_atto"),
    _timm("EdgeNeXt", "edgenext_xx_small"),
    _timm("MobileViT", "mobilevit_xxs"),
    _timm("EfficientViT", "efficientvit_b0"),
    _timm("EfficientFormerV2", "efficientformerv2_s0"),
    _timm("FastViT", "fastvit_t8"),
    _timm("RepViT", "repvit_m0_9", depth=(2, 2, 2, 2)),
    _timm("VisionTransformer", "vit_tiny_patch16_224", depth=2),
    _timm("DeiT", "deit_tiny_distilled_patch16_224", depth=2),
    _timm("CaiT", "cait_xxs24_224", depth=2),
    _timm("XCiT", "xcit_nano_12_p16_224", depth=2),
    _timm("LeViT", "levit_128s"),
    _timm("PiT", "pit_ti_224"),
    _timm("ConViT", "convit_tiny", depth=2),
    _timm("PoolFormer", "poolformer_s12"),
    _timm("MLP-Mixer", "mixer_s32_224"),
    _timm("gMLP", "gmlp_ti16_224"),
    _timm("ResMLP", "resmlp_12_224"),
    _timm("NFNet", "nf_regnet_b0"),
    _timm("InceptionNeXt", "inception_next_atto"),
    _timm("StarNet", "starnet_s1"),
    _timm("TinyViT", "tiny_vit_5m_224", 224),
    _timm("HGNetV2", "hgnetv2_b0"),
    _timm("MambaOut", "mambaout_femto"),
    _timm("Visformer", "visformer_tiny"),
    _timm("GCViT", "gcvit_xxtiny"),
    _timm("Twins", "twins_svt_small", depths=(2, 2, 2, 2)),
    _timm("Res2Net", "res2net50_14w_8s"),
    _timm("DPN", "dpn48b"),
)
BY_NAME = {f"{each.library}/{each.name}": each for each in MEMBERS}
