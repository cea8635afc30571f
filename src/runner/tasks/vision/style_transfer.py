"""StyleTransfer: the pixels of a picture are trained until it has one picture's content in another one's style."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from runner.data.images.styling.style_pair import StylePair
from runner.data.module import DataModule
from runner.errors import RunnerError
from runner.measure.nested import Nested
from runner.models.vision.frozen import frozen
from runner.models.vision.picture import Painting
from runner.tasks.base import Batch, Task
from runner.tasks.evaluation_outputs import EvaluationOutputs
from runner.tasks.vision.style_loss import TERMS, StyleLoss

if TYPE_CHECKING:  # matplotlib, which only pictures need
    from matplotlib.figure import Figure

Layers = Mapping[str, float] | Sequence[str] | None
# Frames of the strip: so many at most; where there are more they lie twice as far apart.
FRAMES = 8
# Maps of fewer places a side, of a picture of 224, say little of style; content is that of the one before the last.
LEAST_SIDE = 14
FRAMES_KEY = "frames"


class StyleTransfer(Task):
    """Style transfer: inputs are the content float (1, 3, H, W), targets the style uint8 (1, 3, h, w).

    Outputs are a dict of `picture` float (1, 3, H, W) and what `StyleLoss` measures in it, each (1,). Logs `loss`,
    `content`, `style` and `variation`.

    Source: Gatys, Ecker & Bethge 2016, with each term divided by what it is for the two pictures at hand.

    Args:
        trunk, weights: the frozen network; see `runner.models.vision.frozen.frozen`.
        content_layers, style_layers: their names, or weights by name; None for layers chosen by the size of their maps.
        content_weight, style_weight, smoothness: of the terms.
    """

    def __init__(
        self,
        network: nn.Module,
        *args: Any,
        trunk: str,
        weights: str | None,
        content_layers: Layers,
        style_layers: Layers,
        content_weight: float,
        style_weight: float,
        smoothness: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, *args, **kwargs)
        self.weights = dict(zip(TERMS, (content_weight, style_weight, smoothness), strict=True))
        if wrong := [f"{name}={value:g}" for name, value in self.weights.items() if value < 0]:
            raise RunnerError(f"Weights of a loss can't be negative: {', '.join(wrong)}.")
        # In a tuple: its weights are nobody's to train, to save or to count.
        self.frozen = (frozen(trunk, weights),)
        sizes = self.trunk.last_of_each_size(LEAST_SIDE)
        if not sizes:
            raise RunnerError(f"task.trunk={trunk}: no layer answers with maps. Take a convolutional network.")
        self.content_layers = self._layers(content_layers, sizes[-2:-1] or sizes, "content")
        self.style_layers = self._layers(style_layers, sizes, "style")
        if not any(self.weights[name] for name in ("content", "style")):
            raise RunnerError(
                "task.content_weight=0 task.style_weight=0: nothing is left to paint by. Give one of them a weight."
            )
        self.pictures: tuple[Tensor, Tensor] | None = None
        self.judge: tuple[StyleLoss, torch.device] | None = None
        self.frames: list[tuple[int, Tensor]] = []
        self.every = 1

    @property
    def trunk(self) -> Any:
        """The frozen network."""
        return self.frozen[0]

    def _layers(self, asked: Layers, usual: Sequence[str], term: str) -> dict[str, float]:
        chosen = usual if asked is None else asked
        found = dict(chosen) if isinstance(chosen, Mapping) else dict.fromkeys(chosen, 1.0)
        key = f"task.{term}_layers"
        self.trunk.check(list(found), key)
        if any(weight < 0 for weight in found.values()):
            raise RunnerError(f"{key}: weights can't be negative.")
        if not any(found.values()):
            raise RunnerError(f"{key}: all weights are 0. Name a layer, or leave {term} out: task.{term}_weight=0.")
        return found

    def describe(self, datamodule: DataModule) -> None:
        """Take over both pictures, and the shape and the start of the one to be painted."""
        super().describe(datamodule)
        assert isinstance(datamodule, StylePair)
        assert isinstance(self.network, Painting)
        if datamodule.splits:
            content, style = datamodule.splits["train"].head(1)
            self.pictures = (datamodule.transform(content), datamodule.transform(style))
        if datamodule.shape is not None:
            self.network.begin(datamodule.shape, None if self.pictures is None else self.pictures[0])

    def call(self, network: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
        """Return the picture and what is measured in it."""
        picture: Tensor = network(inputs)
        return {"picture": picture, **{name: each[None] for name, each in self._judged(picture).items()}}

    def _judged(self, picture: Tensor) -> dict[str, Tensor]:
        if self.judge is None or self.judge[1] != picture.device:
            assert self.pictures is not None
            content, style = (each.to(picture.device) for each in self.pictures)
            judge = StyleLoss(self.trunk, content, style, self.content_layers, self.style_layers)
            self.judge = (judge, picture.device)
        return self.judge[0](picture)

    def loss(self, outputs: dict[str, Tensor], targets: Tensor) -> Tensor:
        """Return the weighted sum of the terms."""
        return torch.stack([weight * outputs[name].mean() for name, weight in self.weights.items()]).sum()

    def make_metrics(self) -> dict[str, Metric]:
        """Return the terms."""
        return {name: ColumnMean(column) for column, name in enumerate(TERMS)}

    def metric_inputs(self, outputs: dict[str, Tensor], targets: Tensor) -> Batch:
        """Return the terms float (N, 3), twice."""
        terms = torch.stack([outputs[name] for name in TERMS], 1)
        return terms, terms

    def predictions(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return `picture` float32 (N, 3, H, W) from 0 to 1."""
        return {"picture": outputs["picture"].float().clamp(0, 1)}

    def rows(self, outputs: dict[str, Tensor], targets: Nested | None = None) -> list[dict[str, Any]]:
        """Return the terms."""
        columns = [outputs[name].tolist() for name in TERMS]
        return [dict(zip(TERMS, values, strict=True)) for values in zip(*columns, strict=True)]

    def painted(self) -> Tensor:
        """Return the picture uint8 (3, H, W) on the CPU."""
        assert isinstance(self.network, Painting)
        return self.network.pixels.detach().cpu().clamp(0, 1).mul(255).round().to(torch.uint8)

    def on_train_start(self) -> None:
        """Begin the strip."""
        if not self.frames:
            self.frames = [(0, self.painted())]

    def on_train_epoch_end(self) -> None:
        """Add to the strip."""
        super().on_train_epoch_end()
        self.add_frame(self.current_epoch + 1)

    def add_frame(self, epoch: int) -> None:
        """Add the picture as it is after so many epochs, unless it lies between the frames that are kept."""
        if epoch % self.every:
            return
        self.frames.append((epoch, self.painted()))
        if len(self.frames) > FRAMES:
            self.every *= 2
            self.frames = [each for each in self.frames if each[0] % self.every == 0]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the strip too."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[FRAMES_KEY] = {"every": self.every, "of": [list(each) for each in self.frames]}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the saved strip."""
        super().on_load_checkpoint(checkpoint)
        if (saved := checkpoint.get(FRAMES_KEY)) is not None:
            self.every, self.frames = saved["every"], [(epoch, frame) for epoch, frame in saved["of"]]

    def figures(self, outputs: EvaluationOutputs) -> dict[str, "Figure"]:
        """Return content, style and picture side by side, and after training the picture over its epochs."""
        from runner.tasks.figures import painting

        assert isinstance(outputs.targets, Tensor)
        picture = outputs.predictions["picture"][0]
        title = f"as {self.trunk.name} sees it (weights: {self.trunk.origin})"
        triple = {"content": outputs.inputs[0], "style": outputs.targets[0] / 255, "picture": picture}
        found = {"picture": painting.row(triple, title)}
        strip = {f"epoch {epoch}": frame / 255 for epoch, frame in self.frames}
        return found | ({"strip": painting.row(strip, title)} if strip else {})


class ColumnMean(Metric):
    """The mean of one column of terms float (N, columns)."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, column: int) -> None:
        super().__init__()
        self.column = column
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, terms: Tensor, same: Tensor) -> None:
        """Add rows."""
        self.total += terms[:, self.column].sum()
        self.count += len(terms)

    def compute(self) -> Tensor:
        """Return their mean."""
        return self.total / self.count
