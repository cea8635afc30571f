"""Fitting a finished network to other input channels and other classes, in place."""

from torch import Tensor, nn


def fit_first_convolution(network: nn.Module, in_channels: int) -> None:
    """Give the first convolution `in_channels` inputs, its weights kept (as timm does).

    One channel takes the sum of the kernels, so that a grey image keeps the response that it had as
    three equal channels; two, or more than three, take the kernels in turn, scaled.
    """
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    if first.in_channels != in_channels:
        first.weight = nn.Parameter(_fit_kernels(first.weight.detach(), in_channels))
        first.in_channels = in_channels


def _fit_kernels(weight: Tensor, channels: int) -> Tensor:
    """Fit kernels (out, old channels, H, W) to (out, `channels`, H, W)."""
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    turns = -(-channels // weight.shape[1])
    return weight.repeat(1, turns, 1, 1)[:, :channels] * (weight.shape[1] / channels)


def replace_head(network: nn.Module, num_outputs: int) -> None:
    """Put a fresh layer of `num_outputs` in the place of the last Linear or Conv2d, where that differs."""
    layers = [(path, m) for path, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    path, head = layers[-1]
    if isinstance(head, nn.Linear) and head.out_features != num_outputs:
        network.set_submodule(path, nn.Linear(head.in_features, num_outputs))
    elif isinstance(head, nn.Conv2d) and head.out_channels != num_outputs:  # SqueezeNet ends in a convolution
        network.set_submodule(path, nn.Conv2d(head.in_channels, num_outputs, 1))


def drop_auxiliary_heads(network: nn.Module) -> None:
    """Take away the side outputs that torchvision's GoogLeNet and Inception have in training."""
    for name in ("aux1", "aux2", "AuxLogits"):
        if hasattr(network, name):
            setattr(network, name, None)
            network.aux_logits = False  # type: ignore[assignment]
