"""Localizer: whether there is an object, where it is, what it is, and where its landmarks are; one for an image."""

from collections.abc import Sequence

from torch import Tensor, nn

from runner.models.vision.trunks import Trunk


class Localizer(nn.Module):
    """Float images (N, in_channels, H, W) to float (N, 5 + num_classes + 2 * landmarks).

    That is the logit of an object being there; the centre and size of its box, as shares of the image's sides; a logit
    for each class; and x and y of each landmark, as shares too.

    Args:
        channels: width of each stage of the trunk; every stage halves the side.
        hidden: width of the layer that sees the whole image.
    """

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        num_classes: int,
        landmarks: int = 0,
        channels: Sequence[int] = (16, 32, 64, 64),
        hidden: int = 128,
    ) -> None:
        """Raise ValueError where the last stage would have no pixel."""
        super().__init__()
        stride = 2 ** len(channels)
        if image_size % stride:
            fitting = max(1, round(image_size / stride)) * stride
            raise ValueError(
                f"Images of {image_size}x{image_size} don't halve {len(channels)} times: set data.image_size={fitting} "
                f"or another multiple of {stride}, or fewer model.channels."
            )
        self.trunk = Trunk(in_channels, channels, (stride,))
        self.whole = nn.Linear(channels[-1] * (image_size // stride) ** 2, hidden)
        self.head = nn.Linear(hidden, 5 + num_classes + 2 * landmarks)

    def forward(self, images: Tensor) -> Tensor:
        """Return the numbers of each image."""
        answers: Tensor = self.head(self.whole(self.trunk(images)[0].flatten(1)).relu())
        return answers
