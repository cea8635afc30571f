"""InstanceSegmentation: a box around each object, its class, and which pixels are its own."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torchmetrics import Metric

from runner.data.images.geometry.affine import IGNORED
from runner.data.images.instances.instances import INSIDE, in_front
from runner.tasks.base import Batch
from runner.tasks.class_balance import LISTED
from runner.tasks.evaluation_outputs import EvaluationOutputs
from runner.tasks.vision.average_precision import MaskMatches, precision_metrics
from runner.tasks.vision.detection import LEAST, Detection

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure

Found = tuple[Tensor, Tensor]
Targets = dict[str, Tensor]


class InstanceSegmentation(Detection):
    """Detection with masks; outputs are those of `InstanceNetwork`, targets those of `InstancesDataModule`.

    Logs what `Detection` logs of the boxes, and `mask_map50`, `mask_map` and of up to 20 classes `mask_ap/NAME`: the
    same, with the overlap of masks in place of boxes.

    Args:
        image_size: side of the images, in pixels.
        detection: see `Detection`.
    """

    def __init__(self, *args: Any, image_size: int, **detection: Any) -> None:
        self.image_size = image_size
        super().__init__(*args, **detection)

    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """Return NaN: detections have no loss."""
        return outputs[0].new_tensor(torch.nan)

    def training_loss(self, inputs: Tensor, outputs: Any, targets: Any) -> Tensor:
        """Return the sum of the network's own losses, which are logged each."""
        parts = self.network.losses(inputs, outputs, targets)  # type: ignore[operator]
        logged = {f"train/{name}": each.detach() for name, each in parts.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(inputs))
        return torch.stack(list(parts.values())).sum()

    def make_metrics(self) -> dict[str, Metric]:
        """Return mean average precision of boxes and of masks, and those of each class."""
        masks = precision_metrics(MaskMatches(self.num_classes), self.class_names, LISTED, of="mask_")
        return {**super().make_metrics(), **masks}

    def metric_inputs(self, outputs: Any, targets: Any) -> Batch:
        """Return detections with what their masks say (N, most, 7 + rows), and boxes (N, rows, 5).

        It is the share that lies in crowds, and the IoU with each object; see `average_precision.Matches`.
        """
        boxes, objects = targets["boxes"], targets["objects"]
        found = self.detections(outputs, LEAST)
        overlaps = [
            mask_overlaps(self.pasted(rows, masks) > INSIDE, object_map, boxes.shape[1])
            for rows, masks, object_map in zip(found, outputs[1], objects, strict=True)
        ]
        return torch.cat([found, torch.stack(overlaps)], 2), boxes

    def detections(self, outputs: Any, least: float) -> Tensor:
        """Return the detections float32 (N, most, 6) as `Detection` does."""
        return super().detections(outputs[0], least)

    def pasted(self, rows: Tensor, masks: Tensor) -> Tensor:
        """Return masks (most, 28, 28) of detections (most, 6) in the image, float (most, H, W); zeros for padding."""
        found = masks.new_zeros(len(rows), self.image_size, self.image_size)
        there = rows[:, 5] >= 0
        found[there] = in_image(masks[there], rows[there, :4], self.image_size)
        return found

    def object_masks(self, outputs: Any) -> Tensor:
        """Return the masks of what was found in the first image, best first."""
        found = self.detections(outputs, self.score)[0]
        return self.pasted(found, outputs[1][0])[found[:, 5] >= 0]

    def decoder(self, outputs: Any) -> None:
        """Return None: detections need no decoding."""

    def predictions(self, outputs: Any) -> dict[str, Tensor]:
        """Return `boxes` float32 (N, most, 6) and `objects` uint8 (N, H, W): 1 + the row of the best one at a pixel."""
        found = self.detections(outputs, self.score)
        objects = [in_front(self.pasted(rows, masks)) for rows, masks in zip(found, outputs[1], strict=True)]
        return {"boxes": found, "objects": torch.stack(objects)}

    def rows(self, outputs: Any, targets: Any = None) -> list[dict[str, Any]]:
        """Return one row an image, as `Detection` does."""
        return super().rows(outputs, None if targets is None else targets["boxes"])

    def answering(self) -> None:
        """Return None: files of regions answer by this object."""

    def with_targets(self, images: Tensor, targets: Any) -> Tensor:
        """Return images with their objects painted and boxed."""
        from runner.tasks.figures import overlays

        painted = overlays.instances(images, targets["objects"], targets["boxes"][..., 0])
        return overlays.boxed(painted, targets["boxes"])

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return images with predicted beside true objects."""
        from runner.tasks.figures import overlays

        if outputs.images is None:
            return {}
        shown = slice(overlays.SHOWN)
        targets: Any = outputs.targets
        true, found = ((each["boxes"][shown], each["objects"][shown]) for each in (targets, outputs.predictions))
        names = outputs.class_names or tuple(str(index) for index in range(self.num_classes))
        return {"samples": overlays.objects(outputs.images[shown], true, found, names)}


def in_image(masks: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Return masks (n, h, w) of what lies in boxes (n, 4) as they lie in an image, float (n, size, size).

    A pixel has what the mask shows at it, between its numbers interpolated; one whose middle is in no box has 0. The
    masks are learned from targets cut out by RoIAlign, which takes a pixel's number for its middle (`aligned=False`),
    so that half a pixel is undone here. torchvision's own pasting rounds boxes down and makes each a pixel larger,
    which on small objects costs a tenth of the overlap.
    """
    places = torch.arange(size, device=masks.device, dtype=boxes.dtype)
    start, end = boxes[:, :2], boxes[:, 2:]
    shares = (places - start[..., None]) / (end - start).clamp(min=1e-6)[..., None]  # (n, 2, size): of x, of y
    inside = (places + 0.5 >= start[..., None]) & (places + 0.5 < end[..., None])
    across, down = (2 * shares - 1).unbind(1)
    grid = torch.stack([across[:, None, :].expand(-1, size, -1), down[:, :, None].expand(-1, -1, size)], -1)
    pasted = grid_sample(masks[:, None], grid.to(masks), padding_mode="border", align_corners=False)[:, 0]
    return pasted * (inside[:, 0, None, :] & inside[:, 1, :, None])


def mask_overlaps(found: Tensor, objects: Tensor, count: int) -> Tensor:
    """Return float64 (n, 1 + count) of masks bool (n, H, W): their share in crowds, and their IoU with each object.

    `objects` uint8 (H, W) are 1 + the row of an object, `IGNORED` in crowds.
    """
    numbers = torch.tensor([IGNORED, *range(1, count + 1)], device=objects.device)
    guessed, true = found.flatten(1).float(), (objects.flatten() == numbers[:, None]).float()
    shared, sizes = guessed @ true.T, guessed.sum(1)[:, None]
    union = torch.cat([sizes, sizes + true[1:].sum(1) - shared[:, 1:]], 1)
    return shared.double() / union.clamp(min=1)  # a share of 0.7 in float32 is below the threshold of 0.7
