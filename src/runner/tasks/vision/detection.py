"""Detection: a box around each object and its class."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from runner.data.module import DataModule
from runner.measure.boxes import anchors, to_centres
from runner.tasks.base import Batch, Task
from runner.tasks.class_balance import LISTED
from runner.tasks.evaluation import Evaluation
from runner.tasks.evaluation_outputs import EvaluationOutputs
from runner.tasks.vision.average_precision import Matches, precision_metrics
from runner.tasks.vision.decoder import BoxDecoder
from runner.tasks.vision.detection_loss import LossWeights, detection_loss
from runner.tasks.vision.grid import OBJECT, GridPlaces, boxes_of, flatten, places, scores_of, select

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure

Maps = tuple[Tensor, ...]
# The padding of detections: no class.
NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0, -1.0)
# Scores from here on count for the average precision, which looks at all recalls.
LEAST = 0.01


class Detection(Task):
    """Detection: boxes with class and score; targets (N, most, 5) are class and corners in pixels, class -1 padding.

    Logs `loss`, `map50` (mean average precision at an IoU of 0.5), `map` (the mean over 0.5, 0.55, … 0.95; COCO's
    definition) and of up to 20 classes `ap/NAME`.

    Networks on a grid answer with raw maps (N, anchors * (5 + num_classes), h, w) of several strides. Their anchors are
    found among the training boxes (see `runner.measure.boxes.anchors`); they are part of the weights. Networks of
    regions (`runner.models.vision.regions`) answer with detections, and with features while they train, of which they
    make their losses themselves: these are logged one by one, and evaluation has none.

    Args:
        strides: pixels between the cells of each map; None for networks of regions.
        anchors: boxes of each cell.
        weights: see `LossWeights`.
        score: from where on a prediction is shown; the metrics look at lower ones too.
        overlap: of two boxes of one class that overlap more (IoU), the worse one goes.
        most: detections of an image.
    """

    anchors: Tensor

    def __init__(
        self,
        *args: Any,
        num_classes: int,
        strides: Sequence[int] | None = None,
        anchors: int | None = None,
        weights: Mapping[str, float] | None = None,
        score: float = 0.25,
        overlap: float = 0.5,
        most: int = 100,
        **kwargs: Any,
    ) -> None:
        self.num_classes, self.score, self.overlap, self.most = num_classes, score, overlap, most
        self.weights = LossWeights(**(weights or {}))
        super().__init__(*args, **kwargs)
        self.strides = tuple(strides or ())
        sizes = 4.0 * torch.tensor(self.strides)[:, None, None].expand(-1, anchors or 1, 2)
        self.register_buffer("anchors", sizes.clone())

    def describe(self, datamodule: DataModule) -> None:
        """Take over the classes' names, and anchors for the boxes of the training split."""
        super().describe(datamodule)
        self.use_metrics(self.make_metrics())
        if "train" not in datamodule.splits or not self.strides:
            return
        targets = torch.as_tensor(datamodule.splits["train"].targets)
        sizes = to_centres(targets[..., 1:][targets[..., 0] >= 0])[:, 2:]
        maps, count, _ = self.anchors.shape
        found = anchors(sizes, maps * count)
        # Fewer boxes than anchors: some stand twice.
        self.anchors.copy_(found[torch.arange(maps * count) * len(found) // (maps * count)].view(maps, count, 2))

    def training_loss(self, inputs: Tensor, outputs: Any, targets: Tensor) -> Tensor:
        """Return the loss of a training step; of a network of regions the sum of its own, which are logged each."""
        if self.strides:
            return self.loss(outputs, targets)
        parts = self.network.losses(inputs, outputs, targets)  # type: ignore[operator]
        logged = {f"train/{name}": each.detach() for name, each in parts.items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(targets))
        return torch.stack(list(parts.values())).sum()

    def flat(self, outputs: Maps) -> tuple[Tensor, GridPlaces]:
        """Return all answers float32 (N, P, 5 + num_classes), and where they belong."""
        shapes = [(each.shape[2], each.shape[3]) for each in outputs]
        return flatten(outputs, OBJECT + self.num_classes), places(shapes, self.strides, self.anchors)

    def loss(self, outputs: Maps | Tensor, targets: Tensor) -> Tensor:
        """Return the sum of the parts of `detection_loss`; NaN of detections, which have no loss."""
        if isinstance(outputs, Tensor):
            return outputs.new_tensor(torch.nan)
        answers, where = self.flat(outputs)
        return torch.stack(list(detection_loss(answers, targets, where, self.weights).values())).sum()

    def results(self, evaluation: Evaluation) -> dict[str, float]:
        """Return metrics by name, and the loss where the network has one in evaluation."""
        results = super().results(evaluation)
        return results if self.strides else {name: each for name, each in results.items() if not math.isnan(each)}

    def make_metrics(self) -> dict[str, Metric]:
        """Return mean average precision, and that of each class."""
        return precision_metrics(Matches(self.num_classes), self.class_names, LISTED)

    def metric_inputs(self, outputs: Maps, targets: Tensor) -> Batch:
        """Return detections (N, most, 6) and targets (N, most, 5)."""
        return self.detections(outputs, LEAST), targets

    def detections(self, outputs: Maps | Tensor, least: float) -> Tensor:
        """Return the detections float32 (N, most, 6): corners, score and class, best first; class -1 is padding.

        What a file with a decoder answers are detections already.
        """
        if isinstance(outputs, Tensor):
            return torch.where(outputs[..., 4:5] >= least, outputs, outputs.new_tensor(NOTHING))
        answers, where = self.flat(outputs)
        return select(boxes_of(answers, where), scores_of(answers), least=least, overlap=self.overlap, most=self.most)

    def decoder(self, outputs: Maps | Tensor) -> nn.Module | None:
        """Return what finds the detections of maps of these sizes, those with a score of at least `score`."""
        if isinstance(outputs, Tensor):
            return None
        return BoxDecoder(
            [(each.shape[2], each.shape[3]) for each in outputs],
            self.strides,
            self.anchors.cpu(),
            num_classes=self.num_classes,
            least=self.score,
            overlap=self.overlap,
            most=self.most,
        )

    def predictions(self, outputs: Maps) -> dict[str, Tensor]:
        """Return `boxes` float32 (N, most, 6), those with a score of at least `score`."""
        return {"boxes": self.detections(outputs, self.score)}

    def with_targets(self, images: Tensor, targets: Tensor) -> Tensor:
        """Return images with their boxes."""
        from runner.tasks.figures import overlays

        return overlays.boxed(images, targets)

    def rows(self, outputs: Maps, targets: Tensor | None = None) -> list[dict[str, Any]]:
        """Return one row an image: how many objects were found, and which, best first; with targets how many are."""
        rows = []
        for index, found in enumerate(self.detections(outputs, self.score)):
            known = found[found[:, 5] >= 0]
            words = [f"{self.name_of(int(each[5]))} {each[4]:.2f}" for each in known]
            row: dict[str, Any] = {"objects": len(known), "found": ", ".join(words)}
            rows.append(row if targets is None else {"target": int((targets[index, :, 0] >= 0).sum()), **row})
        return rows

    def answers(self, outputs: Maps) -> list[list[dict[str, Any]]]:
        """Return one row an object, best first: `class`, `score`, and the corners `x1`, `y1`, `x2`, `y2` in pixels."""
        return [
            [
                {"class": self.name_of(int(label)), "score": score, "x1": x1, "y1": y1, "x2": x2, "y2": y2}
                for x1, y1, x2, y2, score, label in found.tolist()
                if label >= 0
            ]
            for found in self.detections(outputs, self.score)
        ]

    def answering(self) -> dict[str, Any] | None:
        """See Task.answering."""
        if type(self).answers is not Detection.answers or not self.strides:
            return None
        settings = {"score": self.score, "overlap": self.overlap, "most": self.most}
        places = {"anchors": self.anchors.tolist(), "strides": list(self.strides)}
        return {"kind": "boxes", "names": self.names(self.num_classes), **places, **settings}

    def name_of(self, index: int) -> str:
        """Return the class's name, or its index."""
        return self.class_names[index] if self.class_names else str(index)

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return images with predicted beside true boxes."""
        from runner.tasks.figures import overlays

        images = outputs.images
        if images is None:
            return {}
        names = outputs.class_names or tuple(str(index) for index in range(self.num_classes))
        shown = slice(overlays.SHOWN)
        found = outputs.predictions["boxes"][shown]
        return {"samples": overlays.boxes(images[shown], outputs.targets[shown], found, names)}
