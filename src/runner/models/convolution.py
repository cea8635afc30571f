"""Convolution arithmetic: the size that a convolution or a pooling window leaves of its input."""


def output_size(size: int, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Return the positions a window takes along one side of `size` pixels; 0 or less where it doesn't fit.

    floor((size + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1
    (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 15).
    """
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


def transposed_size(size: int, kernel_size: int, *, stride: int = 1, padding: int = 0, output_padding: int = 0) -> int:
    """Return the side that a transposed convolution makes of `size`: (i - 1) * s - 2p + k + output_padding."""
    return (size - 1) * stride - 2 * padding + kernel_size + output_padding


def same_padding(size: int, kernel_size: int, *, stride: int = 1) -> float:
    """Return the padding that leaves `size` as it is, (si - s - i + k) / 2: whole for odd kernels at stride 1."""
    return (stride * size - stride - size + kernel_size) / 2


def separable_share(out_channels: int, kernel_size: int) -> float:
    """Return the multiply-accumulates of a depthwise-separable convolution, as a share of the plain one's.

    1 / out_channels + 1 / kernel_size^2, whatever goes in (Howard et al., "MobileNets", 2017, section 3.1).
    """
    return 1 / out_channels + 1 / kernel_size**2


def size_after_stages(image_size: int, kernel_size: int, stages: int) -> int:
    """Return the side of the feature map after `stages` times (unpadded convolution, 2x2 pooling) on square images.

    Raises ValueError, naming the smallest image size that fits, when nothing would be left.
    """
    size = image_size
    for _ in range(stages):
        size = output_size(output_size(size, kernel_size), 2, stride=2)
    if size < 1:
        smallest = _smallest_size(kernel_size, stages)
        raise ValueError(
            f"Images of {image_size}x{image_size} are too small "
            f"for {stages} convolutions of {kernel_size}x{kernel_size} with pooling: "
            f"set data.image_size={smallest} or larger."
        )
    return size


def _smallest_size(kernel_size: int, stages: int) -> int:
    """Return the image size of which exactly one position is left: the formulas above, run backwards."""
    size = 1
    for _ in range(stages):
        size = 2 * size + kernel_size - 1
    return size
