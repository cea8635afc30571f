"""What is served without torch says what the task says, for every kind of answer."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from runner.job.serving import proven_answers
from runner.tasks.answers import answers_from
from runner.tasks.binary import BinaryClassification
from runner.tasks.classification import Classification
from runner.tasks.embedding.metric_learning import MetricLearning
from runner.tasks.regression import Regression
from runner.tasks.sequence import SequenceLabelling
from runner.tasks.vision.detection import Detection
from runner.tasks.vision.segmentation import Segmentation

SGD = partial(torch.optim.SGD, lr=0.1)
NAMES = ("ant", "bee", "cow")


def random(*shape: int) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def made(task, names=NAMES):
    task.class_names = names
    return task.eval()


CASES = {
    "classes": (made(Classification(nn.Identity(), SGD, num_classes=3)), random(5, 3)),
    "binary": (made(BinaryClassification(nn.Identity(), SGD), NAMES[:2]), random(5, 1)),
    "values": (made(Regression(nn.Identity(), SGD, num_targets=2)), random(5, 2)),
    "embeddings": (made(MetricLearning(nn.Identity(), SGD)), random(5, 4)),
    "letters": (made(SequenceLabelling(nn.Identity(), SGD, num_classes=3)), random(2, 4, 3)),
    "regions": (made(Segmentation(nn.Identity(), SGD, num_classes=3)), random(2, 3, 6, 5)),
    "boxes": (
        made(Detection(nn.Identity(), SGD, num_classes=3, strides=(8, 16), anchors=2)),
        (random(2, 16, 4, 4), random(2, 16, 2, 2)),
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_plain_values_say_what_the_task_says(kind):
    task, outputs = CASES[kind]
    plain = proven_answers(task, outputs)
    assert plain is not None and plain["kind"] == kind
    said = answers_from(plain)(outputs.numpy() if isinstance(outputs, Tensor) else [each.numpy() for each in outputs])
    assert [len(each) for each in said] == [len(each) for each in task.answers(outputs)]
    assert all(said)


def test_a_task_that_says_it_in_its_own_way_is_not_replaced():
    class Shouting(Classification):
        def rows(self, outputs, targets=None):
            return [{"prediction": row["prediction"].upper()} for row in super().rows(outputs, targets)]

    task, outputs = made(Shouting(nn.Identity(), SGD, num_classes=3)), random(5, 3)
    assert proven_answers(task, outputs) is None
