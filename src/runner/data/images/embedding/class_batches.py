"""ClassBatches: images whose training batches hold several of each class, and whose splits share no class."""

from typing import Any

import torch
from torch import Tensor

from runner.data.batches import BatchLoader, EpochOrder, generator_of
from runner.data.images.image import ImageDataModule
from runner.data.module import labels_of
from runner.errors import RunnerError


class ClassBatches(ImageDataModule):
    """Images for metric learning; `load` sets aside all of the classes that validation and test are made of.

    Args:
        per_class: images of each class in a training batch (K); the batch then has `batch_size / per_class` (P).
    """

    divides_classes = True

    def __init__(self, *, per_class: int, **image: Any) -> None:
        super().__init__(**image)
        if per_class < 2 or self.batch_size % per_class or self.batch_size == per_class:
            raise RunnerError(
                f"data.per_class={per_class} data.batch_size={self.batch_size}: batches need two or more images of "
                "each of two or more classes. Make the batch a multiple of data.per_class."
            )
        self.per_class = per_class

    def setup(self, stage: str | None = None) -> None:
        """Set up as always; raises RunnerError where a class has one image only."""
        super().setup(stage)
        for name, samples in self.splits.items():
            classes, counts = labels_of(samples, self.class_names).unique(return_counts=True)
            lone = [str((self.class_names or ())[int(each)]) for each in classes[counts < 2]]
            if lone:
                raise RunnerError(
                    f"The {name} split has a single image of {', '.join(lone[:5])}: pairs need two. Add images, or "
                    "remove the class."
                )

    def check_folds(self, folds: int) -> None:
        """Raise RunnerError: folds divide images, so that each class would be trained and measured."""
        raise RunnerError(
            "The stage cross_validate divides images, and this data measures classes that training never sees. "
            "Use stages=[fit,test] with several seeds: sweep=seeds."
        )

    def train_dataloader(self) -> BatchLoader:
        """Return shuffled batches of P classes with K images each."""
        loader, samples = super().train_dataloader(), self.splits["train"]
        if isinstance(loader.sampler, EpochOrder):
            # Ranks take turns in an order, so each gets its own K of a class.
            together = self.per_class * loader.world_size
            loader.sampler = ClassOrder(labels_of(samples, self.class_names), self.shuffle_seed, together)
        return loader


class ClassOrder(EpochOrder):
    """As many samples an epoch, `together` of one class behind each other; a function of (seed, epoch).

    Classes come in rounds, each round in another order, so that near neighbours are of different classes. A class with
    fewer samples repeats some.

    Args:
        labels: int64 (n,), the class of each sample.
    """

    def __init__(self, labels: Tensor, seed: int, together: int) -> None:
        super().__init__(len(labels), seed)
        self.members = [(labels == label).nonzero().squeeze(1) for label in labels.unique()]
        self.together = together

    def permutation(self, count: int | None = None) -> Tensor:
        """Return int64 (n,); a plain order of another count."""
        if count is not None:
            return super().permutation(count)
        generator = generator_of(self.seed, self.epoch)
        groups: list[Tensor] = []
        while len(groups) * self.together < self.count:
            for place in torch.randperm(len(self.members), generator=generator).tolist():
                members = self.members[place]
                drawn = members[torch.randperm(len(members), generator=generator)]
                groups.append(drawn.repeat(-(-self.together // len(drawn)))[: self.together])
        return torch.cat(groups)[: self.count]
