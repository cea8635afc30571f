"""Instances: torchvision's Mask R-CNN over a trunk of any size: each object's box and pixels."""

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from runner.models.vision.regions import RegionNetwork, usable

# Side of a region's features for its mask; the mask is twice as fine.
REGION = 14


class InstanceNetwork(RegionNetwork):
    """Mask R-CNN: Faster R-CNN whose regions also get a mask for each class.

    In evaluation, images (N, in_channels, H, W) to detections float32 (N, most, 6) as in `RegionNetwork`, and to the
    mask of each within its box, float32 (N, most, 28, 28): from 0 to 1, zeros for padding.

    Args:
        mask_width: channels of the layers that look at a region's pixels.
        mask_layers: how many these are.
        regions: see `RegionNetwork`.

    Source: He et al., "Mask R-CNN", arXiv:1703.06870.
    """

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        num_classes: int,
        mask_width: int = 32,
        mask_layers: int = 2,
        **regions: Any,
    ) -> None:
        """Raise ValueError where images, strides and sizes don't go together."""
        super().__init__(in_channels, image_size, num_classes, **regions)
        heads = self.network.roi_heads
        pyramid = self.network.backbone
        heads.mask_roi_pool = MultiScaleRoIAlign(pyramid.names, REGION, sampling_ratio=2)
        heads.mask_head = MaskRCNNHeads(pyramid.out_channels, [mask_width] * mask_layers, 1)
        heads.mask_predictor = MaskRCNNPredictor(mask_width, mask_width, num_classes + 1)

    def answer(self, found: list[dict[str, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return detections and masks of each image, padded."""
        masks = [
            torch.cat([each["masks"][:, 0], each["masks"].new_zeros(self.most, *MASK)])[: self.most] for each in found
        ]
        return super().answer(found), torch.stack(masks)

    def wanted(self, targets: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return the objects of each image as the library takes them, with their masks.

        `targets` hold `boxes` (N, most, 5) and `objects` uint8 (N, H, W): 1 + the row of the object in front.
        """
        listed = super().wanted(targets["boxes"])
        for each, boxes, objects in zip(listed, targets["boxes"], targets["objects"], strict=True):
            rows = usable(boxes).nonzero().flatten()
            each["masks"] = (objects == 1 + rows[:, None, None]).to(torch.uint8)
        return listed


MASK = (2 * REGION, 2 * REGION)
