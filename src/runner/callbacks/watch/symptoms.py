"""Symptoms: from classes and numbers of a training to sentences with a remedy; nothing is said where all is well."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from runner.data.module import DataModule, Samples
from runner.measure import nested
from runner.measure.nested import Nested
from runner.tracking.notices import Notice

# A loss that changed by less of itself than this has not moved.
MOVED = 0.005
# One that is so many times what it was before the first step has exploded.
EXPLODED = 3.0
# Running statistics lag where they make the loss at least so many times as high, by this share of the first loss.
LAG, LAG_SHARE = 2.0, 0.25
# Training fits where it is so far from chance to perfect.
FITS = 0.6
NEGLIGIBLE = 1e-6
# From here on the rarest class hardly counts in a mean over samples.
UNEQUAL = 20
NAMED = 5
# Unit vectors that lie nearer to each other on average are all but one; independent ones lie 1.4 apart.
COLLAPSED = 0.05


def dead_layers(names: Sequence[str]) -> Notice | None:
    """Tell of layers whose answers are zero for every sample."""
    if not names:
        return None
    first = names[0]
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return Notice(
        "dead_layer",
        f"A layer is dead: {first} is zero for every sample{more}, so nothing before it learns. Widen the network, "
        "lower optimizer.lr, or try another seed.",
        first,
    )


def constant_outputs(outputs: Sequence[Nested]) -> Notice | None:
    """Tell of a network that answers every sample alike; sequences of several lengths and nested outputs are passed."""
    if not outputs or not all(isinstance(each, Tensor) for each in outputs):
        return None
    if len({each.shape[1:] for each in outputs}) != 1:
        return None
    together = torch.cat([each.float() for each in outputs]).flatten(1)
    spread = (together.amax(0) - together.amin(0)).max() if len(together) > 1 else torch.tensor(math.inf)
    if float(spread) > 1e-5 * max(1.0, float(together.abs().max())):
        return None
    return Notice(
        "constant_predictions",
        "The network answers the same for every sample, whatever it is shown. Lower optimizer.lr, widen the network, "
        "or look at its inputs: python -m runner check.",
    )


def collapsed(embeddings: Tensor) -> Notice | None:
    """Tell of embeddings float (n, D) of unit length that all lie at one place, of whatever class."""
    if len(embeddings) < 2:
        return None
    apart = float(torch.pdist(embeddings).mean())
    if apart > COLLAPSED:
        return None
    return Notice(
        "collapsed_embeddings",
        f"The embeddings collapsed: training samples lie {apart:.3g} apart on average, of at most 2, whatever their "
        "class. Lower optimizer.lr, try task.loss=contrastive, or put more classes into a batch (data.batch_size).",
    )


def one_class(predicted: Tensor, true: Tensor, names: Sequence[str] | None) -> Notice | None:
    """Tell of a network that knows one class only, of predicted and true classes int64 (N, …) of several."""
    if predicted.shape == true.shape:
        predicted, true = predicted[true >= 0], true[true >= 0]
    if predicted.numel() < 2 or len(true.unique()) < 2 or len(predicted.unique()) > 1:
        return None
    index = int(predicted.flatten()[0])
    name = names[index] if names and index < len(names) else str(index)
    share = float((true == index).float().mean())
    return Notice(
        "constant_predictions",
        f"Every training sample is predicted as {name} (right for {share:.0%} of them). Train longer, raise or lower "
        "optimizer.lr, or, where classes are unequal, try task.class_weights=balanced.",
    )


def loss_at_rest(first: float, last: float) -> Notice | None:
    """Tell of a loss that is what it was before the first step."""
    if not math.isfinite(first + last) or first < NEGLIGIBLE or abs(last - first) > MOVED * first:
        return None
    return Notice(
        "loss_never_moved",
        f"The loss never moved: {first:.4g} before training, {last:.4g} after it. Raise optimizer.lr, look at "
        "task.trainable and at whether inputs and targets belong together (mode=overfit tells).",
    )


def explosion(first: float, last: float, rate: float) -> Notice | None:
    """Tell of a loss that ended far above where it began, or as no number; nothing where it began as none."""
    if math.isnan(first):  # as of networks of regions, which have a loss in training alone
        return None
    if math.isfinite(last) and (last < EXPLODED * first or last < NEGLIGIBLE):
        return None
    return Notice(
        "exploded",
        f"Training made the loss grow, from {first:.4g} to {last:.4g}: lower optimizer.lr (now {rate:.4g}), or set "
        "trainer.gradient_clip_val=1.",
    )


def lagging_statistics(first: float, running: float, own: float, steps: int) -> Notice | None:
    """Tell of batch-norm statistics that lag: training samples are judged much worse by them than by their batch's.

    Args:
        first: loss before training.
        running, own: loss of the same samples and weights by running statistics and by those of each batch.
        steps: how many there were.
    """
    if not (running >= LAG * own and running - own >= LAG_SHARE * first):  # also where one is no number
        return None
    return Notice(
        "lagging_batch_norm",
        f"Batch-norm statistics lag behind the weights: the loss of training samples is {own:.3g} by their batch's "
        f"statistics, {running:.3g} by the running ones, which validation uses ({steps} steps were few for their "
        "momentum). Add batch_norm.recalibrate=true, or train longer.",
    )


def memorised(training: float, validation: float, chance: float, samples: int) -> Notice | None:
    """Tell of a network that fits its training samples and knows nothing of others.

    Args:
        training, validation: accuracies.
        chance: share of the most frequent class of the validation split.
        samples: size of that split; by so few, an accuracy is uncertain.
    """
    margin = 2 * math.sqrt(chance * (1 - chance) / max(samples, 1))
    if chance >= 1 or training < chance + FITS * (1 - chance) or validation > chance + min(margin, 0.05):
        return None
    if samples < 10:
        return None
    return Notice(
        "validation_at_chance",
        f"Training fits ({training:.0%} right), validation stays at chance ({validation:.0%}; the most frequent class "
        f"alone: {chance:.0%}). Look at whether both splits are alike and labels are right; then try more data, "
        "augmentation, or optimizer.weight_decay.",
    )


def classes_of(predictions: Sequence[dict[str, Tensor]], targets: Sequence[Nested]) -> tuple[Tensor, Tensor] | None:
    """Return predicted and true classes, flat int64; None where a task has none or targets are no class indices."""
    if not predictions or not all("class" in each for each in predictions):
        return None
    if not all(isinstance(each, Tensor) for each in targets):
        return None
    predicted = torch.cat([each["class"].flatten().long() for each in predictions])
    true = torch.cat([nested.tensors(each)[0].flatten().long() for each in targets])
    return (predicted, true) if predicted.shape == true.shape else None


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
