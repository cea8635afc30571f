"""Losses of embeddings: contrastive and logistic over all pairs of a batch, and triplets with semi-hard mining."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

# How far from the margin the logistic loss hardly minds any more, in distances of unit-length embeddings.
SOFTNESS = 0.1


def distances(embeddings: Tensor) -> Tensor:
    """Return Euclidean distances float (N, N) between rows of (N, D); their gradient is finite at 0 as well."""
    squares = embeddings.square().sum(1)
    return (squares[:, None] + squares - 2 * embeddings @ embeddings.T).clamp_min(1e-12).sqrt()


def contrastive(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Return the mean distance of pairs of one class plus the mean shortfall of others below the margin, 0-d.

    Only pairs that cost anything are in the means. Source: Hadsell, Chopra, LeCun, 2006, in distances as
    pytorch-metric-learning has it.
    """
    found, same, other = distances(embeddings), *pairs(labels)
    return _mean_of_costs(found[same]) + _mean_of_costs((margin - found[other]).relu())


def logistic(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Return the cross-entropy of telling pairs of one class from others by their distance, 0-d.

    The logit is `(margin - distance) / SOFTNESS`; both kinds of pairs count alike, however many there are. Source: Hu,
    Lu, Tan, "Discriminative Deep Metric Learning", 2014.
    """
    logits, (same, other) = (margin - distances(embeddings)) / SOFTNESS, pairs(labels)
    return _mean(softplus(-logits[same])) + _mean(softplus(logits[other]))


def semihard_triplets(found: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return (anchors, positives, negatives), int64 (n,) each: negatives farther than the positive, within the margin.

    Source: Schroff, Kalenichenko, Philbin, "FaceNet", 2015.
    """
    same, other = pairs(labels)
    gap = found[:, None, :] - found[:, :, None]
    chosen = same[:, :, None] & other[:, None, :] & (gap > 0) & (gap <= margin)
    anchors, positives, negatives = chosen.nonzero().unbind(1)
    return anchors, positives, negatives


def triplet(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Return the mean of `margin + positive - negative` over semi-hard triplets, 0-d; 0 where there are none."""
    found = distances(embeddings)
    anchors, positives, negatives = semihard_triplets(found.detach(), labels, margin)
    return _mean_of_costs((found[anchors, positives] - found[anchors, negatives] + margin).relu())


def pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return which pairs are of one class, no sample with itself, and which of two: bool (N, N) each."""
    same = labels[:, None] == labels
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def _mean(costs: Tensor) -> Tensor:
    return costs.sum() / max(len(costs), 1)


def _mean_of_costs(costs: Tensor) -> Tensor:
    return costs.sum() / (costs > 0).sum().clamp_min(1)


LOSSES = {"triplet": triplet, "contrastive": contrastive, "logistic": logistic}
