"""EmbeddingFolder: the user's own images, one folder a class, some classes of which training never sees."""

from dataclasses import replace
from typing import Any

import torch

from runner.data.images.embedding.class_batches import ClassBatches
from runner.data.images.image_folder import ImageFolder
from runner.data.module import Samples, Source
from runner.data.split import size_of
from runner.errors import RunnerError

# Pairs of one class and of two need as many.
FEWEST = 2


class EmbeddingFolder(ClassBatches, ImageFolder):
    """Images in `root/<class>/*`; `validation_fraction` and `test_fraction` are of the classes, two or more each.

    Args:
        fewest: classes with fewer images are left out.
    """

    def __init__(self, *, fewest: int = 1, **image: Any) -> None:
        super().__init__(**image)
        self.fewest = fewest

    def divide(self, source: Source) -> dict[str, Samples]:
        """Divide by classes, drawn by `split_seed`.

        Raises:
            RunnerError: the images are divided already, or there are fewer than two classes for a part.
        """
        if source.val is not None or source.test is not None:
            raise RunnerError(
                f"{self.root} is divided into parts that share their classes, and embeddings are measured on classes "
                "that training never sees. Put the folders of all classes side by side."
            )
        labels = torch.as_tensor(source.targets[torch.arange(len(source.targets))])
        enough = labels.bincount()[labels] >= self.fewest
        classes = labels[enough].unique()
        sizes = [max(FEWEST, size_of(each, len(classes))) for each in (self.test_fraction, self.validation_fraction)]
        if len(classes) < sum(sizes) + FEWEST:
            several = f" of {self.fewest} images or more" if self.fewest > 1 else ""
            raise RunnerError(
                f"{self.root} holds {len(classes)} classes{several}: too few, as validation keeps {sizes[1]}, the test "
                f"{sizes[0]}, and {FEWEST} or more are trained. Add folders of classes, or lower the fractions."
            )
        drawn = classes[torch.randperm(len(classes), generator=torch.Generator().manual_seed(self.split_seed))]
        test, val = (torch.isin(labels, each).nonzero().squeeze(1) for each in drawn[: sum(sizes)].split(sizes))
        parts = super().divide(replace(source, val=val, test=test))
        return {name: replace(part, indices=part.indices[enough[part.indices]]) for name, part in parts.items()}
