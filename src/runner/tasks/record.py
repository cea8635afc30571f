"""Record: losses and right answers of many steps, read from the device all at once."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Sums:
    """Sums over samples: `loss` of loss x samples, `hits` right answers, `count` samples."""

    loss: float = 0.0
    hits: float = 0.0
    count: int = 0

    def add(self, loss: float, hits: float, count: int) -> None:
        """Adds a batch of `count` samples with the mean loss `loss`."""
        self.loss += loss * count
        self.hits += hits
        self.count += count

    def means(self, *, with_hits: bool) -> dict[str, float]:
        """`loss` and, where right answers are counted, `accuracy`; empty before the first sample."""
        if not self.count:
            return {}
        accuracy = {"accuracy": self.hits / self.count} if with_hits else {}
        return {"loss": self.loss / self.count, **accuracy}


class Record:
    """What steps leave behind: kept on the device by `add`, summed up by `read`.

    The sums are Python floats, added step by step: they do not depend on how often they were read, so an epoch
    that was interrupted, saved and continued ends with exactly the same means.

    Attributes:
        unread: (step, samples, loss, right answers) of every step since the last `read`.
        epoch: sums of the current epoch.
        window: sums since the last point of the loss curve.
        last_finite: (step, loss) of the last finite loss that was read.
    """

    def __init__(self) -> None:
        self.epoch, self.window = Sums(), Sums()
        self.last_finite: tuple[int, float] | None = None
        self.with_hits = False
        self.unread: list[tuple[int, int, Tensor, Tensor | None]] = []

    def add(self, step: int, count: int, loss: Tensor, hits: Tensor | None = None) -> None:
        """A batch of `count` samples: detached 0-d `loss` (their mean) and number of right answers."""
        self.unread.append((step, count, loss, hits))

    def read(self) -> tuple[int, float] | None:
        """Takes all that was added into the sums; returns (step, loss) of the first loss that isn't finite."""
        unread, self.unread = self.unread, []
        if not unread:
            return None
        losses = torch.stack([entry[2] for entry in unread]).tolist()
        counted = [entry[3] for entry in unread if entry[3] is not None]
        self.with_hits = len(counted) == len(unread)
        hits = torch.stack(counted).tolist() if self.with_hits else [0.0] * len(unread)
        first_bad = None
        for (step, count, _, _), loss, right in zip(unread, losses, hits, strict=True):
            self.epoch.add(loss, right, count)
            self.window.add(loss, right, count)
            if math.isfinite(loss):
                self.last_finite = (step, loss) if first_bad is None else self.last_finite
            elif first_bad is None:
                first_bad = (step, loss)
        return first_bad

    def take(self, span: str) -> dict[str, float]:
        """The means of `epoch` or `window`, which begins anew."""
        means: dict[str, float] = getattr(self, span).means(with_hits=self.with_hits)
        setattr(self, span, Sums())
        return means

    def state_dict(self) -> dict[str, Any]:
        """Plain Python; what was added must have been read."""
        sums = {name: [each.loss, each.hits, each.count] for name, each in self._spans().items()}
        return {**sums, "last_finite": list(self.last_finite or ()), "with_hits": self.with_hits}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where `state` was taken."""
        for name in self._spans():
            setattr(self, name, Sums(*state[name]))
        self.last_finite = (state["last_finite"][0], state["last_finite"][1]) if state["last_finite"] else None
        self.with_hits = state["with_hits"]

    def _spans(self) -> dict[str, Sums]:
        return {"epoch": self.epoch, "window": self.window}
