"""Metric learning: images of one class lie near each other, also of classes that training never saw."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchmetrics import Metric

from runner.data.module import DataModule, labels_of
from runner.errors import RunnerError
from runner.tasks.base import Batch, Task
from runner.tasks.embedding import measures
from runner.tasks.embedding.losses import LOSSES
from runner.tasks.evaluation import Evaluation
from runner.tasks.evaluation_outputs import EvaluationOutputs
from runner.tasks.figures import embeddings as pictures

# The nearest names of a gallery that are told of a sample.
SHOWN = 5
# Pictures are of the pairs of so many samples at most.
DRAWN = 2048


class UnitLength(nn.Module):
    """A network float (N, D) with each row of its outputs brought to length 1, in every file that is made of it too."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Any) -> Tensor:
        """Return embeddings of unit length float (N, D)."""
        return F.normalize(self.network(inputs))


class MetricLearning(Task):
    """Outputs are embeddings of unit length float (N, D); targets are classes int64 (N,).

    Logs `loss`, and of all pairs of a split `auc`, `eer`, `recall_at_1`, `one_shot` and `spread`, the mean distance.
    `test/tar` is the share of pairs of one class below the distance `val/threshold` that 1 % of the others of
    validation are below.

    Args:
        network: inputs to float (N, D); `task.network` is this one in `UnitLength`.
        loss: `triplet` (semi-hard), `contrastive` or `logistic`, over all that a batch holds.
        margin: by how much another class must be farther, in distances of unit-length embeddings; of `logistic`, the
            distance at which a pair may be of one class or of two.
        ways: classes that `one_shot` chooses among.
    """

    threshold: Tensor

    def __init__(
        self, network: nn.Module, *args: Any, loss: str = "triplet", margin: float = 0.2, ways: int = 20, **kwargs: Any
    ) -> None:
        if loss not in LOSSES:
            raise RunnerError(f"task.loss={loss}: must be one of {', '.join(LOSSES)}.")
        self._settings = LOSSES[loss], margin, ways
        super().__init__(UnitLength(network), *args, **kwargs)
        self.register_buffer("threshold", torch.tensor(0.0))

    def describe(self, datamodule: DataModule) -> None:
        """Take over names; raises RunnerError where a class that is measured was trained."""
        super().describe(datamodule)
        classes = {name: set(labels_of(each, self.class_names).tolist()) for name, each in datamodule.splits.items()}
        if classes and classes["train"] & (classes["val"] | classes["test"]):  # predictions read no data
            raise RunnerError(
                "task=metric_learning measures classes that training never sees, and this data has the same ones "
                "in each split. Use data=glyphs or data=unseen_digits, or task=classification."
            )

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss over the batch's pairs or triplets."""
        compute, margin, _ = self._settings
        return compute(outputs, targets, margin)

    def make_metrics(self) -> dict[str, Metric]:
        """Return the metrics."""
        chosen = {
            "auc": measures.auc,
            "eer": measures.eer,
            "recall_at_1": measures.recall_at_1,
            "one_shot": measures.one_shot(self._settings[2]),
            "spread": measures.spread,
            "threshold": measures.threshold,
            "tar": measures.below(lambda: self.threshold),
        }
        return {name: measures.OfAll(measure) for name, measure in chosen.items()}

    def metric_inputs(self, outputs: Tensor, targets: Tensor) -> Batch:
        """Return embeddings and classes as they are."""
        return outputs.float(), targets

    def results(self, evaluation: Evaluation) -> dict[str, float]:
        """Return loss and metrics; the threshold is validation's."""
        found = super().results(evaluation)
        if evaluation is self.validation:
            found.pop("val/tar", None)
            self.threshold.fill_(found.get("val/threshold", 0.0))
        found.pop("test/threshold", None)
        return found

    def figures(self, outputs: EvaluationOutputs) -> dict[str, Figure]:
        """Return ROC and distances of all pairs, or those of every so many samples, and pairs of the first images."""
        embeddings, labels = outputs.predictions["embedding"], outputs.targets
        every, threshold = -(-len(labels) // DRAWN), float(self.threshold)
        apart = measures.of_each_pair(torch.cdist(embeddings[::every], embeddings[::every]))
        same = measures.of_each_pair(labels[::every, None] == labels[::every])
        if not 0 < int(same.sum()) < len(same):
            return {}
        drawn = {
            "roc": pictures.roc(apart, same, threshold),
            "distances": pictures.distance_histogram(apart, same, threshold),
        }
        if (images := outputs.images) is not None:
            shown = embeddings[: len(images)]
            drawn["pairs"] = pictures.judged_pairs(images, torch.cdist(shown, shown), labels[: len(images)], threshold)
        return drawn

    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return embeddings of unit length float (N, D)."""
        return {"embedding": outputs.float()}

    def rows(self, outputs: Tensor, targets: Tensor | None = None) -> list[dict[str, Any]]:
        """Return the numbers of each embedding, from `e1` on, and the class where it is known."""
        embeddings = self.predictions(outputs)["embedding"].tolist()
        found: list[dict[str, Any]] = [{f"e{i}": x for i, x in enumerate(each, 1)} for each in embeddings]
        if targets is not None:
            names = self.names(int(targets.max()) + 1 if len(targets) else 0)
            found = [{"true": names[int(t)], **row} for t, row in zip(targets, found, strict=True)]
        return found

    def answering(self) -> dict[str, Any] | None:
        """See Task.answering."""
        own = type(self).rows is MetricLearning.rows and type(self).predictions is MetricLearning.predictions
        return {"kind": "embeddings"} if own else None

    def pair(self, outputs: Tensor) -> dict[str, Any]:
        """Return the distance of two embeddings float (2, D), and whether they are of one class."""
        return self._verdict(float(torch.dist(*outputs.float())))

    def nearest(self, outputs: Tensor, gallery: Tensor, names: Sequence[str]) -> list[list[dict[str, Any]]]:
        """Return for each embedding float (N, D) the nearest names, at most five, by the nearest of their own.

        Args:
            gallery: embeddings float (M, D), of which each has one of `names`.
        """
        found = []
        for distances in torch.cdist(outputs.float(), gallery.float()):
            near: dict[str, float] = {}
            for place in distances.argsort().tolist():
                near.setdefault(names[place], float(distances[place]))
            shown = list(near.items())[:SHOWN]
            found.append([{"nearest": name, **self._verdict(distance)} for name, distance in shown])
        return found

    def _verdict(self, distance: float) -> dict[str, Any]:
        threshold = float(self.threshold)
        return {"distance": distance, "threshold": threshold, "same": distance < threshold}
