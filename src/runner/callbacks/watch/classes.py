"""What the classes of the training split leave to be desired: some that it lacks, some that are rare."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from runner.data.module import DataModule, Samples
from runner.tracking.notices import Notice

# From here on the rarest class hardly counts in a mean over samples.
UNEQUAL = 20
NAMED = 5


def class_counts(samples: Samples, classes: int) -> Tensor | None:
    """Return how many samples each class has, int64 (classes,); None where the targets are no classes.

    Nor are masks: that most pixels show the ground is in their nature.
    """
    targets = samples.targets
    if isinstance(targets, Tensor) and targets.ndim > 2:
        return None
    if not isinstance(targets, Tensor) or (targets.is_floating_point() and targets.ndim > 1 and targets.shape[1] > 1):
        return None
    indices = targets.flatten().long()
    indices = indices[(indices >= 0) & (indices < classes)]  # what fills up sequences is of no class
    return torch.bincount(indices, minlength=classes)


def class_notices(datamodule: DataModule, *, balanced: bool) -> Iterator[Notice]:
    """Yield what a person should know of the classes before training.

    Args:
        balanced: whether classes are weighted or drawn by their size already.
    """
    names = datamodule.class_names
    if not names:
        return
    counts = class_counts(datamodule.splits["train"], len(names))
    if counts is None or not int(counts.sum()):
        return
    asked = {split: class_counts(datamodule.splits[split], len(names)) for split in ("val", "test")}
    for split, found in asked.items():
        if found is None or datamodule.divides_classes:
            continue
        unseen = ((counts == 0) & (found > 0)).nonzero().flatten().tolist()
        if unseen:
            yield Notice(
                "unseen_class",
                f"No training sample is of class {listed([names[index] for index in unseen])}, which the {split} split "
                "has: it can only be predicted wrong. Give it training samples, or leave its samples out.",
                split,
            )
            break
    present = counts.clone().masked_fill_(counts == 0, int(counts.max()))
    most, least = int(counts.argmax()), int(present.argmin())
    ratio = int(counts[most]) / int(counts[least])
    if ratio >= UNEQUAL and not balanced:
        yield Notice(
            "unequal_classes",
            f"Classes are as unequal as 1 to {ratio:.0f} ({names[least]}: {int(counts[least]):,} training samples, "
            f"{names[most]}: {int(counts[most]):,}): accuracy hides the rare ones. Try task.class_weights=balanced, "
            "and look at f1.",
        )


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
