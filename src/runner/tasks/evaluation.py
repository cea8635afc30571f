"""Evaluation: loss and metrics of one split, many batches at a time, read from the device all at once."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from runner.measure import nested
from runner.measure.nested import Nested

# Outputs and targets of many samples to the number of right answers among them, 0-d; None where nothing is right.
Hits = Callable[[Nested, Nested], Tensor | None]

# Outputs of more numbers than this are not kept until the record is read: right answers are counted at once, on the
# device.
LARGE = 2**17
# Outputs wait for so many batches before the metrics look at them together.
BATCHES = 64
# Fewer where they are large, such as masks.
NUMBERS = 2**24


@dataclass
class Sums:
    """Sums over samples: `loss` of loss x samples, `hits` right answers (None: not counted), `count` samples."""

    loss: float = 0.0
    hits: float | None = None
    count: int = 0

    def means(self) -> dict[str, float]:
        """Return `loss` and, where right answers are counted, `accuracy`; empty before the first sample."""
        if not self.count:
            return {}
        accuracy = {} if self.hits is None else {"accuracy": self.hits / self.count}
        return {"loss": self.loss / self.count, **accuracy}


class Record:
    """The losses and outputs of the steps: kept on the device by `add`, summed up by `read`.

    Losses are summed as Python floats step by step, right answers are whole numbers: the sums do not depend on how
    often they were read, so an epoch that was interrupted, saved and continued ends with exactly the same means.

    Attributes:
        steps: (step, samples, loss) of every step since the last `read`.
        epoch: sums of the current epoch.
        window: sums since the last point of the loss curve.
        last_finite: (step, loss) of the last finite loss that was read.
    """

    def __init__(self, hits: Hits | None = None) -> None:
        self.count_hits = hits
        self.epoch, self.window = Sums(), Sums()
        self.last_finite: tuple[int, float] | None = None
        self.steps: list[tuple[int, int, Tensor]] = []
        self.answers: list[tuple[Nested, Nested]] = []
        self.hits: list[Tensor] = []

    def add(self, step: int, loss: Tensor, outputs: Nested, targets: Nested) -> None:
        """Add a batch: its mean loss, 0-d, outputs (N, …), both detached, and targets (N, …)."""
        self.steps.append((step, nested.samples(targets), loss))
        if self.count_hits is None:
            return
        if sum(each.numel() for each in nested.tensors(outputs)) > LARGE:
            hits = self.count_hits(outputs, targets)
            if hits is not None:
                self.hits.append(hits)
        else:
            self.answers.append((outputs, targets))

    def read(self) -> tuple[int, float] | None:
        """Sum up all that was added; return (step, loss) of the first loss that isn't finite."""
        steps, self.steps = self.steps, []
        if not steps:
            return None
        self._read_hits()
        first_bad = None
        losses = torch.stack([loss for _, _, loss in steps]).tolist()
        for (step, count, _), loss in zip(steps, losses, strict=True):
            for sums in (self.epoch, self.window):
                sums.loss += loss * count
                sums.count += count
            if not math.isfinite(loss):
                first_bad = first_bad or (step, loss)
            elif first_bad is None:
                self.last_finite = (step, loss)
        return first_bad

    def take(self, span: str) -> dict[str, float]:
        """Return the means of `epoch` or `window`, and begin it anew."""
        means: dict[str, float] = getattr(self, span).means()
        setattr(self, span, Sums())
        return means

    def state_dict(self) -> dict[str, Any]:
        """Return the sums as plain Python; what was added must have been read."""
        sums = {name: [each.loss, each.hits, each.count] for name, each in self._spans().items()}
        return {**sums, "last_finite": list(self.last_finite or ())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        for name in self._spans():
            setattr(self, name, Sums(*state[name]))
        self.last_finite = (state["last_finite"][0], state["last_finite"][1]) if state["last_finite"] else None

    def _spans(self) -> dict[str, Sums]:
        return {"epoch": self.epoch, "window": self.window}

    def _read_hits(self) -> None:
        answers, self.answers = self.answers, []
        if self.count_hits is None or not (answers or self.hits):
            return
        by_shape: dict[tuple[torch.Size, ...], list[tuple[Nested, Nested]]] = {}
        for outputs, targets in answers:  # class indices and mixed shares may alternate
            by_shape.setdefault(tuple(each.shape[1:] for each in nested.tensors((outputs, targets))), []).append(
                (outputs, targets)
            )
        for alike in by_shape.values():
            outputs, targets = (nested.concatenate(parts) for parts in zip(*alike, strict=True))
            hits = self.count_hits(outputs, targets)
            if hits is not None:
                self.hits.append(hits)
        counted, self.hits = self.hits, []
        for number in torch.stack(counted).tolist() if counted else []:
            for sums in (self.epoch, self.window):
                sums.hits = (sums.hits or 0.0) + number


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
