"""Teachers guide students: exact losses, gradients where they belong, and refusals that name the way out."""

import copy
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from runner.compression.distillation.attention import AttentionLoss
from runner.compression.distillation.features import FeatureLoss
from runner.compression.distillation.logits import LogitsLoss
from runner.compression.quantization.graph.capture import capture
from runner.compression.quantization.recipes import QATRecipe
from runner.errors import RunnerError

LOSSES = [LogitsLoss, FeatureLoss, AttentionLoss]


class Images(nn.Module):
    """Two convolutions with pooling, so maps of 8×8 and 4×4, then a linear layer."""

    def __init__(self, width: int, classes: int = 3, pool: int = 2) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU())
        self.second = nn.Sequential(nn.MaxPool2d(pool), nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(2 * width * (8 // pool) ** 2, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.second(self.first(images)).flatten(1))


@pytest.fixture
def teacher() -> Images:
    torch.manual_seed(1)
    return Images(6)


@pytest.fixture
def student() -> Images:
    torch.manual_seed(2)
    return Images(2)


@pytest.fixture
def pictures() -> Tensor:
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def labels() -> Tensor:
    return torch.tensor([0, 2, 1, 1, 0])


def guided(guide: nn.Module, student: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of one training step of classification."""
    outputs = student(inputs)
    return guide(inputs, outputs, targets, F.cross_entropy(outputs, targets))


def soft_by_hand(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² Σ p (log p - log q), the mean over rows."""
    p, q = (teacher / temperature).softmax(-1), (student / temperature).softmax(-1)
    return temperature**2 * (p * (p.log() - q.log())).sum(-1).mean()


def test_the_loss_is_hintons_mix_of_labels_and_softened_teacher(teacher, student, pictures, labels):
    guide = LogitsLoss(teacher, student, pictures, share=0.7, temperature=3.0)
    outputs = student(pictures)
    hard = F.cross_entropy(outputs, labels)
    expected = 0.3 * hard + 0.7 * soft_by_hand(outputs, teacher(pictures), 3.0)
    torch.testing.assert_close(guide(pictures, outputs, labels, hard), expected)


def test_tokens_without_a_class_have_no_teacher_and_the_others_count_as_in_the_task():
    torch.manual_seed(0)
    teacher, student = nn.Linear(4, 3), nn.Linear(4, 3)
    tokens, targets = torch.randn(2, 5, 4), torch.tensor([[0, 1, 2, 0, 1, -100], [2, 1, -100, -100, -100, -100]])
    guide = LogitsLoss(teacher, student, tokens, share=1.0, temperature=2.0)
    known = targets[:, :5] != -100
    mean = soft_by_hand(student(tokens)[known], teacher(tokens)[known], 2.0)
    torch.testing.assert_close(guided_sequence(guide, student, tokens, targets), mean * known.sum() / 2)


def test_pixels_are_softened_over_their_classes_and_those_that_count_for_nothing_left_out():
    torch.manual_seed(0)
    teacher, student = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
    images, masks = torch.randn(2, 3, 5, 6), torch.randint(4, (2, 5, 6), dtype=torch.uint8)
    masks[0, :2] = 255
    guide = LogitsLoss(teacher, student, images, share=1.0, temperature=2.0, outputs="pixels")
    ours, theirs = (network(images).movedim(1, -1)[masks != 255] for network in (student, teacher))
    torch.testing.assert_close(guided_sequence(guide, student, images, masks), soft_by_hand(ours, theirs, 2.0))


def guided_sequence(guide: nn.Module, student: nn.Module, tokens: Tensor, targets: Tensor) -> Tensor:
    return guide(tokens, student(tokens), targets, torch.tensor(0.0))


def test_one_logit_is_softened_as_the_two_probabilities_it_stands_for():
    torch.manual_seed(0)
    teacher, student, rows = nn.Linear(4, 1), nn.Linear(4, 1), torch.randn(6, 4)
    guide = LogitsLoss(teacher, student, rows, share=1.0, temperature=2.0, outputs="binary")
    p, q = (torch.sigmoid(network(rows) / 2) for network in (teacher, student))
    expected = 4 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    torch.testing.assert_close(guide(rows, student(rows).flatten(), torch.ones(6), torch.tensor(9.0)), expected)


def test_numbers_are_learned_from_the_teacher_by_squared_error_at_any_temperature():
    torch.manual_seed(0)
    teacher, student, rows = nn.Linear(4, 2), nn.Linear(4, 2), torch.randn(6, 4)
    expected = 0.5 * 7 + 0.5 * (student(rows) - teacher(rows)).square().mean()
    for temperature in (1.0, 10.0):
        guide = LogitsLoss(teacher, student, rows, share=0.5, temperature=temperature, outputs="values")
        torch.testing.assert_close(guide(rows, student(rows), rows, torch.tensor(7.0)), expected)


def test_the_factor_t_squared_keeps_the_gradient_of_high_temperatures(teacher, student, pictures, labels):
    """Without it a temperature of 100 leaves a hundredth of the gradient that one of 10 does; see section 2.1."""
    norms = []
    for temperature in (10.0, 100.0):
        student.zero_grad()
        guide = LogitsLoss(teacher, student, pictures, share=1.0, temperature=temperature)
        guided(guide, student, pictures, labels).backward()
        norms.append(student.head.weight.grad.norm())
    torch.testing.assert_close(norms[0], norms[1], rtol=0.05, atol=0)


@pytest.mark.parametrize("make", LOSSES)
def test_a_teacher_that_is_the_student_has_nothing_to_add(make, student, pictures, labels):
    guide = make(student, student, pictures, share=0.5)
    outputs = student(pictures)
    hard = F.cross_entropy(outputs, labels)
    torch.testing.assert_close(guide(pictures, outputs, labels, hard), 0.5 * hard)
    guide.close()


@pytest.mark.parametrize("make", LOSSES)
def test_student_and_projections_get_gradients_and_the_teacher_stays(make, teacher, student, pictures, labels):
    before = copy.deepcopy(teacher.state_dict())
    guide = make(teacher, student, pictures, share=0.5)
    guided(guide, student, pictures, labels).backward()
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in student.parameters())
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in guide.parameters())
    assert all(each.grad is None for each in [*teacher.parameters(), *guide.teacher.parameters()])
    assert teacher.training
    assert not guide.teacher.training
    torch.testing.assert_close(teacher.state_dict(), before)


@pytest.mark.parametrize("make", LOSSES)
def test_the_teacher_is_in_no_checkpoint_and_no_optimizer(make, teacher, student, pictures):
    names = set(make(teacher, student, pictures).state_dict())
    assert names == ({"projections.0.weight", "projections.0.bias"} if make is FeatureLoss else set())


@pytest.mark.parametrize("make", LOSSES)
def test_making_a_guide_draws_no_random_numbers_and_leaves_the_student(make, teacher, student, pictures):
    dropping = nn.Sequential(student, nn.Dropout(0.5), nn.BatchNorm1d(3))
    state, before = torch.get_rng_state(), copy.deepcopy(dropping.state_dict())
    make(nn.Sequential(teacher, nn.Identity()), dropping, pictures).close()
    assert torch.equal(torch.get_rng_state(), state)
    assert dropping.training
    torch.testing.assert_close(dropping.state_dict(), before)


def test_features_are_compared_relative_to_the_teachers_mean_square(teacher, student, pictures, labels):
    guide = FeatureLoss(teacher, student, pictures, weight=3.0, layers={"first": "first", "second": "second"})
    loss = guided(guide, student, pictures, labels)
    expected = F.cross_entropy(student(pictures), labels)
    for depth, projection in enumerate(guide.projections):
        firsts = [network.first(pictures) for network in (student, teacher)]
        ours, theirs = firsts if depth == 0 else (student.second(firsts[0]), teacher.second(firsts[1]))
        expected = expected + 3 * (projection(ours) - theirs).square().mean() / theirs.square().mean()
    torch.testing.assert_close(loss, expected)


def test_attention_is_the_distance_of_normalised_mean_squares_over_all_depths(teacher, student, pictures, labels):
    guide = AttentionLoss(teacher, student, pictures, weight=5.0)
    assert [(pair.student, pair.teacher) for pair in guide.pairs] == [("first", "first"), ("second", "second")]
    loss = guided(guide, student, pictures, labels)
    expected = F.cross_entropy(student(pictures), labels)
    for layers in (["first"], ["first", "second"]):
        maps = []
        for network in (student, teacher):
            features = pictures
            for layer in layers:
                features = network.get_submodule(layer)(features)
            flat = features.square().mean(1).flatten(1)
            maps.append(flat / flat.norm(dim=1, keepdim=True))
        expected = expected + 5 * (maps[0] - maps[1]).square().sum(1).mean()
    torch.testing.assert_close(loss, expected)


def test_features_are_paired_at_the_deepest_size_both_have(teacher, student, pictures):
    (pair,) = FeatureLoss(teacher, student, pictures).pairs
    assert repr(pair) == "second (4, 4, 4) → second (12, 4, 4)"
    (pair,) = FeatureLoss(teacher, Images(2, pool=4), pictures).pairs
    assert repr(pair) == "first (2, 8, 8) → first (6, 8, 8)"


@pytest.mark.parametrize("make", [FeatureLoss, AttentionLoss])
def test_maps_of_other_sizes_are_interpolated(make, teacher, pictures, labels):
    student = Images(2, pool=4)
    guide = make(teacher, student, pictures, layers={"second": "second"})
    loss = guided(guide, student, pictures, labels)
    loss.backward()
    assert loss > F.cross_entropy(student(pictures), labels)
    assert student.second[1].weight.grad.abs().sum() > 0


def test_vectors_are_projected_by_a_linear_layer():
    narrow = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    wide = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    guide = FeatureLoss(wide, narrow, torch.randn(2, 4))
    assert repr(guide.pairs[0]) == "1 (3,) → 1 (8,)"
    assert guide.projections[0].weight.shape == (8, 3)


@pytest.mark.parametrize("make", [FeatureLoss, AttentionLoss])
def test_closing_leaves_no_hook(make, teacher, student, pictures):
    guide = make(teacher, student, pictures)
    assert sum(len(module._forward_hooks) for module in student.modules()) == len(guide.pairs)
    guide.close()
    for network in (student, teacher, guide.teacher):
        assert not any(module._forward_hooks for module in network.modules())


def test_a_copy_of_student_and_guide_together_works_by_itself(teacher, student, pictures, labels):
    guide = FeatureLoss(teacher, student, pictures)
    loss = guided(guide, student, pictures, labels)
    student(pictures)  # what is tapped now has a graph, which could not be copied
    copies = copy.deepcopy(nn.ModuleList([student, guide]))
    with torch.no_grad():
        student.head.weight.zero_()
    torch.testing.assert_close(guided(copies[1], copies[0], pictures, labels), loss)


def test_evaluation_between_training_steps_is_not_taken_for_one(teacher, student, pictures, labels):
    guide = AttentionLoss(teacher, student, pictures)
    alone = guided(guide, student, pictures, labels)
    outputs = student(pictures)
    with torch.no_grad():
        student(torch.zeros_like(pictures))
    torch.testing.assert_close(guide(pictures, outputs, labels, F.cross_entropy(outputs, labels)), alone)


class Two(NamedTuple):
    """Inputs that are no tensor, as batches of graphs are."""

    left: Tensor
    right: Tensor

    def to(self, device: torch.device) -> "Two":
        return Two(self.left.to(device), self.right.to(device))


@pytest.mark.parametrize("make", [LogitsLoss, FeatureLoss])
def test_networks_are_asked_as_their_task_asks_them(make):
    torch.manual_seed(0)
    wide, narrow = (nn.Sequential(nn.Linear(4, size), nn.ReLU(), nn.Linear(size, 3)) for size in (8, 2))
    inputs = Two(torch.randn(5, 4), torch.randn(5, 4))
    guide = make(wide, narrow, inputs, share=1.0, call=lambda network, both: network(both.left + both.right))
    outputs, hard = narrow(inputs.left + inputs.right), torch.tensor(0.0)
    guide.weight = 0.0
    loss = guide(inputs, outputs, torch.zeros(5, dtype=torch.int64), hard)
    torch.testing.assert_close(loss, soft_by_hand(outputs, wide(inputs.left + inputs.right), 2.0))


def test_a_float_teacher_guides_its_fake_quantized_self(network, images):
    rounded = QATRecipe().prepare(network, [images]).eval()
    guide = LogitsLoss(network, rounded, images, share=1.0)
    loss = guided(guide, rounded, images, torch.zeros(16, dtype=torch.int64))
    torch.testing.assert_close(loss, soft_by_hand(rounded(images), network(images), 2.0))
    assert loss > 0
    loss.backward()
    assert any(each.grad is not None and each.grad.abs().sum() > 0 for each in rounded.parameters())


def test_a_captured_program_can_teach(student, teacher, pictures, labels):
    program = capture(teacher, pictures)
    expected = guided(LogitsLoss(teacher, student, pictures), student, pictures, labels)
    torch.testing.assert_close(guided(LogitsLoss(program, student, pictures), student, pictures, labels), expected)
    with pytest.raises(RunnerError, match=r"teacher is a captured program.*distillation=logits"):
        FeatureLoss(program, student, pictures)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Images(6, classes=4), r"teacher answers with 4 outputs, the student with 3 outputs.*same data and task"),
        (nn.Sequential(nn.Conv2d(3, 3, 8), nn.Flatten()), r"does not take the student's inputs \(5, 1, 8, 8\)"),
    ],
)
@pytest.mark.parametrize("make", LOSSES)
def test_a_teacher_of_other_classes_or_inputs_is_refused(make, other, message, student, pictures):
    with pytest.raises(RunnerError, match=message):
        make(other, student, pictures)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": {"frist": "first"}}, r"the student \(Images\) has no layer 'frist'. Did you mean first"),
        ({"layers": {"first": "secnd"}}, r"the teacher \(Images\) has no layer 'secnd'. Did you mean second"),
        ({"layers": {"head": "head"}}, r"head of the student gives no single tensor inside"),
        ({"weight": -1.0}, r"distillation.weight=-1.0: must be at least 0"),
        ({"share": 1.5}, r"distillation.share=1.5: must be from 0"),
        ({"temperature": 0.0}, r"distillation.temperature=0.0: must be above 0"),
        ({"outputs": "clases"}, r"distillation.outputs=clases.*Did you mean classes"),
    ],
)
def test_settings_that_cannot_work_are_refused_and_leave_no_hook(settings, message, teacher, student, pictures):
    with pytest.raises(RunnerError, match=message):
        FeatureLoss(teacher, student, pictures, **settings)
    assert not any(module._forward_hooks for module in student.modules())


def test_attention_without_positions_is_refused():
    network, rows = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), torch.randn(2, 4)
    for layers in (None, {"0": "0"}):
        with pytest.raises(RunnerError, match=r"one position only.*distillation=features or logits"):
            AttentionLoss(network, network, rows, layers=layers)


def test_networks_without_a_size_in_common_are_told_what_to_name(teacher, pictures):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(RunnerError, match=r"distillation.layers=\{2: second\}"):
        FeatureLoss(teacher, flat, pictures)
