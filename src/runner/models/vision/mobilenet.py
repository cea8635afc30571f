"""MobileNets of versions 1 and 2, and the same networks with plain convolutions: what separating them saves."""

from collections.abc import Callable

from torch import Tensor, nn

from runner.models.activation import activation_of

# Output channels and stride of each separable convolution (Howard et al., 2017, table 1).
FIRST = 32
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
# Expansion, output channels, repetitions and first stride of each stage (Sandler et al., 2018, table 2).
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
LAST = 1280
DIVISOR = 8
CONVOLUTIONS = ("separable", "plain")


class MobileNetV1(nn.Module):
    """A convolution, thirteen depthwise-separable ones, the mean over all places, a linear layer.

    Args:
        width: multiplies every number of channels, which is rounded to a multiple of 8.
        convolution: `separable`, or `plain` for the network of ordinary 3x3 convolutions that it is compared with.
        first_stride: of the first convolution; the paper's 2 is for images of 224x224.

    Source: Howard et al., "MobileNets", arXiv:1704.04861.
    """

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        width: float = 1.0,
        convolution: str = "separable",
        first_stride: int = 2,
        activation: str = "relu",
    ) -> None:
        """Raise ValueError for another kind of convolution, or an unknown activation."""
        super().__init__()
        act = activation_of(activation)
        channels = scaled(FIRST, width)
        layers = [*normalised(nn.Conv2d(in_channels, channels, 3, first_stride, padding=1, bias=False)), act()]
        for after, stride in BLOCKS:
            layers += [convolved(channels, scaled(after, width), stride, convolution, act), act()]
            channels = scaled(after, width)
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (N, in_channels, H, W), of any size, to float (N, num_outputs)."""
        return self.head(self.features(images).mean(dim=(2, 3)))


class InvertedResidual(nn.Module):
    """1x1 to `expansion` times the channels, a separable (or plain) convolution to few again; a sum where shapes allow.

    Nothing is cut off behind the last layer, which is narrow: an activation there would lose what it carries.
    """

    def __init__(self, before: int, after: int, stride: int, expansion: int, convolution: str, activation: str) -> None:
        super().__init__()
        act, wide = activation_of(activation), before * expansion
        expand = [] if expansion == 1 else [*normalised(nn.Conv2d(before, wide, 1, bias=False)), act()]
        self.layers = nn.Sequential(*expand, convolved(wide, after, stride, convolution, act))
        self.adds = stride == 1 and before == after

    def forward(self, features: Tensor) -> Tensor:
        """Map float (N, before, H, W) to float (N, after, H / stride, W / stride)."""
        return features + self.layers(features) if self.adds else self.layers(features)


class MobileNetV2(nn.Module):
    """A convolution, seventeen inverted residuals, a 1x1 convolution, the mean over all places, a linear layer.

    Args:
        width, convolution, first_stride: as of `MobileNetV1`; 1280 channels in front of the head are never fewer.

    Source: Sandler et al., "MobileNetV2", arXiv:1801.04381.
    """

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        width: float = 1.0,
        convolution: str = "separable",
        first_stride: int = 2,
        activation: str = "relu6",
    ) -> None:
        """Raise ValueError for another kind of convolution, or an unknown activation."""
        super().__init__()
        act, channels = activation_of(activation), scaled(FIRST, width)
        layers = [*normalised(nn.Conv2d(in_channels, channels, 3, first_stride, padding=1, bias=False)), act()]
        for expansion, plain, repetitions, first in STAGES:
            after = scaled(plain, width)
            for stride in (first, *(1,) * (repetitions - 1)):
                layers.append(InvertedResidual(channels, after, stride, expansion, convolution, activation))
                channels = after
        last = scaled(LAST, max(1.0, width))
        self.features = nn.Sequential(*layers, *normalised(nn.Conv2d(channels, last, 1, bias=False)), act())
        self.head = nn.Linear(last, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (N, in_channels, H, W), of any size, to float (N, num_outputs)."""
        return self.head(self.features(images).mean(dim=(2, 3)))


def convolved(before: int, after: int, stride: int, convolution: str, act: Callable[[], nn.Module]) -> nn.Sequential:
    """Return a 3x3 convolution with batch norm: plain, or one kernel a channel and then 1x1 over all channels.

    The separable one multiplies 1/after + 1/9 times as often; see `models.convolution.separable_share`.

    Raises:
        ValueError: `convolution` is neither.
    """
    if convolution not in CONVOLUTIONS:
        raise ValueError(f"model.convolution={convolution}: choose from {', '.join(CONVOLUTIONS)}.")
    if convolution == "plain":
        return normalised(nn.Conv2d(before, after, 3, stride, padding=1, bias=False))
    depthwise = normalised(nn.Conv2d(before, before, 3, stride, padding=1, groups=before, bias=False))
    return nn.Sequential(*depthwise, act(), *normalised(nn.Conv2d(before, after, 1, bias=False)))


def normalised(layer: nn.Conv2d) -> nn.Sequential:
    """Return a convolution with batch norm behind it."""
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels))


def scaled(channels: int, width: float) -> int:
    """Return `channels` times `width` as a multiple of 8, no more than a tenth below it."""
    exact = channels * width
    rounded = max(DIVISOR, int(exact + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded if rounded >= 0.9 * exact else rounded + DIVISOR
