"""Evaluation: loss and metrics of one split, computed for many batches at a time."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from runner.measure import nested
from runner.measure.nested import Nested
from runner.tasks.record import Record

# Outputs wait for so many batches before the metrics look at them together.
BATCHES = 64
# Fewer where they are large, such as masks.
NUMBERS = 2**24


class Evaluation(nn.Module):
    """The metrics of one stage, named `<stage>/<metric>`, and its mean loss.

    Args:
        prepare: outputs and targets to what the metrics take.
    """

    def __init__(
        self,
        stage: str,
        metrics: Mapping[str, Metric],
        prepare: Callable[[Nested, Nested], tuple[Nested, Nested]],
    ) -> None:
        super().__init__()
        self.stage, self.prepare = stage, prepare
        self.metrics = MetricCollection(dict(metrics), prefix=f"{stage}/")
        self.record = Record()
        self.waiting: list[tuple[Nested, Nested]] = []
        self.held = 0

    @property
    def names(self) -> list[str]:
        """The names of the metrics, without the stage."""
        return [str(name) for name in self.metrics.keys(keep_base=True)]

    def add(self, loss: Tensor, outputs: Nested, targets: Nested) -> None:
        """Add a batch: its mean loss, the network's outputs and the targets."""
        self.record.add(0, loss, outputs, targets)
        # Prepared one by one: outputs for each token differ in length from batch to batch.
        prepared = self.prepare(outputs, targets)
        self.waiting.append(prepared)
        self.held += sum(each.numel() for each in nested.tensors(prepared))
        if len(self.waiting) >= BATCHES or self.held > NUMBERS:
            self.update()

    def update(self) -> None:
        """Update the metrics with the batches that wait."""
        if self.waiting:
            outputs, targets = zip(*self.waiting, strict=True)
            self.metrics.update(nested.concatenate(outputs), nested.concatenate(targets))
        self.waiting, self.held = [], 0

    def results(self) -> dict[str, float]:
        """Return loss and metrics of all that was added, which is then forgotten.

        A metric that these samples leave undefined (R² of one sample, AUROC of one class) is left out.
        """
        self.update()
        self.record.read()
        loss = {f"{self.stage}/{name}": mean for name, mean in self.record.take("epoch").items()}
        values = {name: float(value) for name, value in self.metrics.compute().items()} if loss else {}
        self.metrics.reset()
        return loss | {name: value for name, value in values.items() if value == value}
