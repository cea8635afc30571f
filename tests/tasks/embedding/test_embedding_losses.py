"""Losses and mining of embeddings are pytorch-metric-learning's; measures have the values worked out by hand."""

import pytest
import torch
from pytorch_metric_learning.losses import ContrastiveLoss, TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from runner.tasks.embedding import measures
from runner.tasks.embedding.losses import SOFTNESS, contrastive, distances, logistic, semihard_triplets, triplet


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    embeddings = normalize(torch.randn(24, 8, generator=generator)).requires_grad_()
    return embeddings, torch.arange(24) % 6


def test_semihard_triplets_are_those_of_the_reference(batch):
    ours = set(zip(*(each.tolist() for each in semihard_triplets(distances(batch[0]), batch[1], 0.2)), strict=True))
    reference = TripletMarginMiner(margin=0.2, type_of_triplets="semihard")(*batch)
    assert ours == set(zip(*(each.tolist() for each in reference), strict=True))
    assert ours


def test_losses_and_their_gradients_are_those_of_the_reference(batch):
    raw = batch[0].detach().requires_grad_()
    batch = normalize(raw), batch[1]
    mined = TripletMarginMiner(margin=0.2, type_of_triplets="semihard")(*batch)
    for ours, reference in [
        (triplet(*batch, 0.2), TripletMarginLoss(margin=0.2)(*batch, mined)),
        (contrastive(*batch, 0.9), ContrastiveLoss(pos_margin=0, neg_margin=0.9)(*batch)),
    ]:
        assert ours.item() == pytest.approx(reference.item(), abs=1e-5)
        gradients = [torch.autograd.grad(each, raw, retain_graph=True)[0] for each in (ours, reference)]
        assert torch.allclose(*gradients, atol=1e-5)


def test_the_logistic_loss_is_the_cross_entropy_of_both_kinds_of_pairs(batch):
    embeddings, labels = batch
    first, second = torch.triu_indices(24, 24, 1)
    logits = (1.0 - (embeddings[first] - embeddings[second]).norm(dim=1)) / SOFTNESS
    same = labels[first] == labels[second]
    kinds = [binary_cross_entropy_with_logits(logits[each], same[each].float()) for each in (same, ~same)]
    assert logistic(embeddings, labels, 1.0).item() == pytest.approx(sum(kinds).item(), abs=1e-4)


def test_equal_embeddings_cost_the_whole_margin_and_give_finite_gradients():
    embeddings = torch.ones(4, 2, requires_grad=True)
    loss = contrastive(embeddings, torch.tensor([0, 0, 1, 1]), 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(0.5, abs=1e-4)
    assert embeddings.grad.isfinite().all()


def test_measures_of_four_points_on_a_line():
    """Classes 0 at 0 and 0.1, 1 at 1 and 1.5: one pair of one class, 0.5, and none of two below 0.9."""
    points, labels = torch.tensor([[0.0], [0.1], [1.0], [1.5]]), torch.tensor([0, 0, 1, 1])
    found = torch.cdist(points, points)
    assert measures.auc(found, labels) == 1
    assert measures.eer(found, labels) == 0
    assert measures.recall_at_1(found, labels) == 1
    assert measures.one_shot(20)(found, labels) == 1
    assert measures.threshold(found, labels) == pytest.approx(0.9)
    assert measures.below(lambda: torch.tensor(0.3))(found, labels) == 0.5
    assert measures.spread(found, labels) == pytest.approx((0.1 + 1 + 1.5 + 0.9 + 1.4 + 0.5) / 6)
