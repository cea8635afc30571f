"""Regions: torchvision's Faster R-CNN over a trunk of any size, as a network of batches."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from runner.models.vision.trunks import check_strides, trunk_of

# Side of the smallest anchor at a stride of one pixel, as in the pyramid's paper: 32 pixels at a stride of 8.
ANCHOR = 4
RATIOS = (0.5, 1.0, 2.0)
# Side of the features of a region.
REGION = 7
# Scores below it are no detections; metrics look at low ones too.
LEAST = 0.01

Features = dict[str, Tensor]


class RegionNetwork(nn.Module):
    """Faster R-CNN: regions that may hold an object are proposed, then each is classified and its box corrected.

    In evaluation, images (N, in_channels, H, W) to detections float32 (N, most, 6): corners in pixels, score and class,
    best first; class -1 is padding. In training, images to the features of the pyramid, of which `losses` makes the
    library's four losses. Images are taken as they are: all of one size, normalised by the data.

    Args:
        channels: width of each stage of the trunk; every stage halves the side.
        pyramid: pixels between the places of each map of the feature pyramid, finest first.
        trunk: a network of timm by name, in place of the small one; `channels` then mean nothing.
        sizes: side in pixels of the anchors of each map; None: four times its stride.
        width: channels of the pyramid.
        hidden: width of the two layers that look at a region.
        proposals: regions of an image that are looked at.
        overlap: of two boxes of one class that overlap more (IoU), the worse one goes.
        most: detections of an image.

    Source: Ren et al., "Faster R-CNN", arXiv:1506.01497; Lin et al., "Feature Pyramid Networks", arXiv:1612.03144.
    """

    captured = False  # by torch.export: how many regions there are differs from image to image

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        num_classes: int,
        channels: Sequence[int] = (16, 32, 64, 128),
        pyramid: Sequence[int] = (8, 16),
        sizes: Sequence[int] | None = None,
        width: int = 64,
        hidden: int = 128,
        proposals: int = 100,
        overlap: float = 0.5,
        most: int = 100,
        trunk: str | None = None,
        pretrained: bool = False,
    ) -> None:
        """Raise ValueError where images, strides and sizes don't go together."""
        super().__init__()
        self.most = most
        check_strides(pyramid, image_size, "model.pyramid")
        sides = [ANCHOR * each for each in pyramid] if sizes is None else list(sizes)
        if len(sides) != len(pyramid):
            raise ValueError(f"model.sizes={sides}: must be one for each map of model.pyramid={list(pyramid)}.")
        backbone = _Pyramid(trunk_of(trunk, in_channels, channels, pyramid, pretrained), width)
        self.network = FasterRCNN(
            backbone,
            rpn_anchor_generator=AnchorGenerator(tuple((each,) for each in sides), (RATIOS,) * len(pyramid)),
            rpn_pre_nms_top_n_train=2 * proposals,
            rpn_pre_nms_top_n_test=2 * proposals,
            rpn_post_nms_top_n_train=proposals,
            rpn_post_nms_top_n_test=proposals,
            rpn_batch_size_per_image=128,
            box_roi_pool=MultiScaleRoIAlign(backbone.names, REGION, sampling_ratio=2),
            box_head=TwoMLPHead(width * REGION**2, hidden),
            box_predictor=FastRCNNPredictor(hidden, num_classes + 1),  # class 0 is the ground
            box_batch_size_per_image=64,
            box_score_thresh=LEAST,
            box_nms_thresh=overlap,
            box_detections_per_img=most,
        )

    def forward(self, images: Tensor) -> Any:
        """Return detections, or features in training."""
        features = self.network.backbone(images)
        if self.training:
            return features
        sizes = [(images.shape[2], images.shape[3])] * len(images)
        proposals, _ = self.network.rpn(ImageList(images, sizes), features)
        found, _ = self.network.roi_heads(features, proposals, sizes)
        return self.answer(found)

    def losses(self, images: Tensor, features: Features, targets: Any) -> dict[str, Tensor]:
        """Return the library's losses, each 0-d: of the proposals (objectness, box) and the regions (classifier, box).

        Args:
            images: (N, in_channels, H, W), as `forward` was given.
            features: what it returned in training.
            targets: (N, most, 5), class and corners; class -1 is padding.
        """
        sizes = [(images.shape[2], images.shape[3])] * len(images)
        wanted = self.wanted(targets)
        proposals, of_proposals = self.network.rpn(ImageList(images, sizes), features, wanted)
        _, of_regions = self.network.roi_heads(features, proposals, sizes, wanted)
        return {**of_proposals, **of_regions}

    def answer(self, found: list[dict[str, Tensor]]) -> Any:
        """Return what the library found in each image, padded."""
        return torch.stack([self._padded(each) for each in found])

    def wanted(self, targets: Any) -> list[dict[str, Tensor]]:
        """Return the objects of each image as the library takes them."""
        return [_listed(each) for each in targets]

    def _padded(self, found: dict[str, Tensor]) -> Tensor:
        rows = torch.cat(
            [found["boxes"], found["scores"][:, None], found["labels"][:, None].to(found["scores"].dtype) - 1], dim=1
        )
        padding = rows.new_tensor([0.0, 0.0, 0.0, 0.0, 0.0, -1.0]).expand(self.most, 6)
        return torch.cat([rows, padding])[: self.most]


class _Pyramid(nn.Module):
    """The maps of a trunk, joined from coarse to fine."""

    def __init__(self, trunk: nn.Module, width: int) -> None:
        super().__init__()
        widths: list[int] = trunk.widths  # type: ignore[assignment]
        self.trunk, self.out_channels = trunk, width
        self.names = [str(level) for level in range(len(widths))]
        self.join = FeaturePyramidNetwork(widths, width)

    def forward(self, images: Tensor) -> Features:
        joined: Features = self.join(OrderedDict(zip(self.names, self.trunk(images), strict=True)))
        return joined


def _listed(targets: Tensor) -> dict[str, Tensor]:
    """Return the objects of an image as the library takes them; it divides by their sizes."""
    there = targets[usable(targets)]
    return {"boxes": there[:, 1:].contiguous(), "labels": there[:, 0].long() + 1}


def usable(targets: Tensor) -> Tensor:
    """Return which rows (most, 5) are objects with an area, bool (most,)."""
    return (targets[:, 0] >= 0) & (targets[:, 3:] > targets[:, 1:3]).all(1)
