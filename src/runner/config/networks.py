"""The sections of the network, and of how its graph is sampled: which values keys of these names may have."""

from dataclasses import dataclass
from typing import Annotated

from runner.compression.constraints import Rule, above, at_least, share

# How many of something a network has; of each of its layers where it is a list.
Count = (
    Annotated[int, at_least(1)]
    | Annotated[
        list[int],
        Rule("each at least 1", lambda value: all(each >= 1 for each in value), schema={"items": {"minimum": 1}}),
    ]
    | None
)


@dataclass
class ModelSection:
    """What many networks have under these names, one's own too."""

    dropout: Annotated[float, share(one=True)] | list[float] | None
    layers: Count
    num_layers: Count
    hidden: Count
    embedding: Count
    heads: Count
    output_heads: Count
    channels: Count
    clusters: Count
    kernel_size: Count
    state: Count
    steps: Count
    order: Count
    ngrams: Count
    in_channels: Count
    in_features: Count
    num_outputs: Count
    num_classes: Count
    image_size: Count
    anchors: Count
    proposals: Count
    most: Count
    pyramid: Count
    strides: Count
    mask_width: Count
    mask_layers: Count
    landmarks: Annotated[int, at_least(0)] | None
    overlap: Annotated[float, share(one=True)] | None
    width: Annotated[float, above(0)] | list[float] | None
    ratio: Annotated[float, above(0)] | list[float] | None


@dataclass
class SamplingSection:
    """What ways of sampling a graph have under these names."""

    sizes: Count
    clusters: Count
    clusters_a_batch: Count
    steps: Count
    length: Count
    coverage: Annotated[int, at_least(1)]
