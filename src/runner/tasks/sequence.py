"""Sequences: one class each, or one class for every token; both log how much of the batches was padding."""

import logging
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F  # noqa: N812
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from runner.data.module import DataModule
from runner.data.sequences.buckets import BucketLoader
from runner.tasks.base import Batch, Task
from runner.tasks.class_balance import Weights, check_weights
from runner.tasks.classification import Classification
from runner.tasks.evaluation_outputs import EvaluationOutputs

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

# A token without a class, as torch's cross-entropy has it.
NO_CLASS = -100
SPELLED = 4


class PaddingLog(Task):
    """Log of `data/padding_share`, the share of an epoch's training tokens that were padding, from 0 to 1."""

    def on_train_epoch_end(self) -> None:
        """Log as in Task, and the share of padding."""
        super().on_train_epoch_end()
        loader = self.trainer.train_dataloader
        if isinstance(loader, BucketLoader):
            self.log("data/padding_share", loader.padding_share(), batch_size=1)


class SequenceClassification(PaddingLog, Classification):
    """Classification of sequences: logits (N, num_classes), targets int64 (N,). See `Classification`."""

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return the figures of Classification, and which classes are taken for which most often."""
        from runner.tasks.figures import plots

        names = outputs.class_names or tuple(str(index) for index in range(self.num_classes))
        counts = plots.confusion_counts(outputs.targets, outputs.predictions["class"], len(names))
        return {**super().figures(outputs), "top_confusions": plots.top_confusions(counts, names)}


class SequenceLabelling(PaddingLog):
    """Classification of tokens: logits (N, T, num_classes), targets int64 (N, T or more), -100 for no class.

    Logs `loss`, summed over the steps of a sequence, and `accuracy` over tokens; where the classes of the tokens are
    unequal or have weights also `balanced_accuracy` and `recall/NAME`. After each validation the first sequences are
    spelled: as text in TensorBoard (`val/spelled`) and in the run's log.

    Args:
        class_weights: how much a training token of each class counts, see `Classification`.
    """

    def __init__(self, *args: Any, num_classes: int, class_weights: Weights = None, **kwargs: Any) -> None:
        check_weights(class_weights, num_classes)
        self.num_classes, self.asked_weights = num_classes, class_weights
        super().__init__(*args, **kwargs)
        self.spelled: list[str] = []

    def describe(self, datamodule: DataModule) -> None:
        """Take over what the data knows, how often each class is a token's too."""
        super().describe(datamodule)
        self.balance(datamodule, self.asked_weights, self.num_classes)

    @property
    def width(self) -> tuple[int, int]:
        """See Task.width."""
        return -1, self.num_classes

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy in nats, summed over the steps, the mean over sequences."""
        flat, classes = self.labelled(outputs, targets)
        if not self.training or self.class_weights is None:
            return F.cross_entropy(flat, classes, reduction="sum") / len(outputs)
        mean = F.cross_entropy(flat, classes, weight=self.class_weights.to(flat.dtype))
        return mean * len(classes) / len(outputs)

    def labelled(self, outputs: Tensor, targets: Tensor) -> Batch:
        """Return the tokens that have a class: logits (M, num_classes) and classes (M,)."""
        targets = targets[:, : outputs.shape[1]]
        known = targets != NO_CLASS
        return outputs[known], targets[known]

    def hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the shares of right tokens, summed over the sequences."""
        targets = targets[:, : outputs.shape[1]]
        right = (outputs.argmax(2) == targets).sum(1)
        return (right / (targets != NO_CLASS).sum(1).clamp(min=1)).sum()

    def make_metrics(self) -> dict[str, Metric]:
        """Return accuracy over tokens."""
        return {"accuracy": MulticlassAccuracy(self.num_classes, average="micro", validate_args=False)}

    def metric_inputs(self, outputs: Tensor, targets: Tensor) -> Batch:
        """Return logits and classes of the tokens that have a class."""
        return self.labelled(outputs, targets)

    def predictions(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return `class` int64 (N, T) and its `probability` float32 (N, T)."""
        best = outputs.float().softmax(2).max(2)
        return {"class": best.indices, "probability": best.values}

    def rows(self, outputs: Tensor, targets: Tensor | None = None) -> list[dict[str, Any]]:
        """Return `prediction` and `target` spelled, and the `probability` that all its letters are right."""
        predicted = self.predictions(outputs)
        rows = [
            {"prediction": self.spell(classes), "probability": float(probability.prod())}
            for classes, probability in zip(predicted["class"], predicted["probability"], strict=True)
        ]
        if targets is None:
            return rows
        return [{"target": self.spell(true), **row} for true, row in zip(targets, rows, strict=True)]

    def answering(self) -> dict[str, Any] | None:
        """See Task.answering."""
        own = type(self).rows is SequenceLabelling.rows and self.class_names is not None
        return {"kind": "letters", "names": self.names(self.num_classes)} if own else None

    def spell(self, classes: Tensor) -> str:
        """Return the names of classes (T,), one after the other."""
        names = self.class_names or [f" {index}" for index in range(self.num_classes)]
        return "".join(names[index] for index in classes.tolist() if index != NO_CLASS).strip()

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Evaluate as in Task; of the first batch the spelled sequences are kept."""
        outputs = super().validation_step(batch, batch_idx)
        if batch_idx == 0:
            self.spelled = [self.spell(classes) for classes in outputs[:SPELLED].argmax(2)]
        return outputs

    def on_validation_epoch_end(self) -> None:
        """Log as in Task, and the spelled sequences as text."""
        super().on_validation_epoch_end()
        if self.trainer.sanity_checking or not self.trainer.is_global_zero:
            return
        log.info("epoch %d spells %s", self.trainer.current_epoch + 1, ", ".join(self.spelled))
        for logger in self.trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("val/spelled", "\n\n".join(self.spelled), self.trainer.global_step)
