"""Tasks of sequences: losses over steps, spelled words, padding told, confusions drawn."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from omegaconf import DictConfig
from torch import nn

from runner.callbacks.pictures import joined
from runner.config.compose import compose
from runner.data.sequences.hello import Hello
from runner.job.assemble import build_data, build_task
from runner.job.build import build
from runner.tasks.evaluation_outputs import EvaluationOutputs
from runner.tasks.figures.plots import top_confusions
from runner.tasks.sequence import NO_CLASS, SequenceClassification, SequenceLabelling

SGD = partial(torch.optim.SGD, lr=0.1)
TARGETS = torch.tensor([[0, 1, 2], [2, NO_CLASS, NO_CLASS]])


def labelling() -> SequenceLabelling:
    task = SequenceLabelling(nn.Linear(1, 1), SGD, num_classes=3)
    task.class_names = ("a", "b", "c")
    return task


def test_the_loss_is_summed_over_the_steps_that_have_a_class():
    outputs = torch.randn(2, 3, 3)
    each = F.cross_entropy(outputs.flatten(0, 1), TARGETS.flatten(), ignore_index=NO_CLASS, reduction="none")
    assert float(labelling().loss(outputs, TARGETS)) == pytest.approx(float(each.sum()) / 2)


def test_targets_may_be_longer_than_the_batch():
    outputs = torch.randn(2, 1, 3)
    assert labelling().loss(outputs, TARGETS) == labelling().loss(outputs, TARGETS[:, :1])
    assert labelling().hits(outputs, TARGETS) == labelling().hits(outputs, TARGETS[:, :1])


def test_a_sequence_counts_by_its_share_of_right_tokens():
    outputs = F.one_hot(torch.tensor([[0, 1, 1], [2, 0, 0]]), 3).float()
    assert float(labelling().hits(outputs, TARGETS)) == pytest.approx(2 / 3 + 1)


def test_sequences_of_other_lengths_are_measured_together():
    task = labelling()
    perfect = F.one_hot(torch.tensor([[0, 1], [2, 2]]), 3).float()
    batches = [(perfect, torch.tensor([[0, 1], [2, NO_CLASS]])), (perfect[:1, :1], torch.tensor([[1]]))]
    assert task.measure(nn.Identity(), batches)["val/accuracy"] == pytest.approx(3 / 4)


def test_words_are_spelled():
    outputs = 100.0 * F.one_hot(torch.tensor([[0, 1, 2], [2, 0, 0]]), 3)
    assert labelling().rows(outputs, TARGETS) == [
        {"target": "abc", "prediction": "abc", "probability": pytest.approx(1.0)},
        {"target": "c", "prediction": "caa", "probability": pytest.approx(1.0)},
    ]


def test_batches_of_other_lengths_join_for_pictures():
    one, other = torch.ones(1, 2, dtype=torch.int64), torch.ones(2, 3, dtype=torch.int64)
    assert joined([one, other]).tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert joined([torch.tensor([1]), torch.tensor([2, 3])]).tolist() == [1, 2, 3]


def test_confusions_are_drawn_most_frequent_first():
    counts = torch.tensor([[8, 2, 0], [5, 1, 0], [0, 1, 9]])
    axes = top_confusions(counts, ["Czech", "Polish", "Greek"]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "Polish → Czech",
        "Czech → Polish",
        "Greek → Polish",
    ]
    assert axes.get_title() == "8 mistakes of 26: true → predicted"
    assert axes.texts[0].get_text() == " 5 (83% of Polish)"
    assert not top_confusions(torch.eye(2, dtype=torch.int64), ["a", "b"]).axes[0].patches


def test_names_have_their_confusions_among_the_figures():
    task = SequenceClassification(nn.Linear(1, 1), SGD, num_classes=2)
    outputs = EvaluationOutputs(torch.ones(3, 5), torch.tensor([0, 1, 1]), {"class": torch.tensor([0, 0, 1])})
    assert set(task.figures(outputs)) == {"confusion_matrix", "per_class_accuracy", "top_confusions"}


@pytest.mark.parametrize("experiment", ["hello_rnn_cell", "hello_rnn", "hello_embedding_rnn"])
def test_hello_is_spelled_within_fifteen_epochs_by_nine_of_ten_seeds(experiment):
    config = compose([f"experiment={experiment}"]).config
    assert config.trainer.max_epochs == 15
    data = build_data(config)
    spelled = [spell(config, data, seed) for seed in range(1, 11)]
    assert spelled.count("ohlol") >= 9, spelled


def spell(config: DictConfig, data: Hello, seed: int) -> str:
    """What a network says after 15 steps of the configured optimizer; an epoch is one step."""
    torch.manual_seed(seed)
    task = build_task(config, data)
    optimizer = build(config, "optimizer")(task.network.parameters())
    inputs, targets = data.training_example()
    for _ in range(config.trainer.max_epochs):
        optimizer.zero_grad()
        task.loss(task(inputs), targets).backward()
        optimizer.step()
    return task.rows(task(inputs).detach())[0]["prediction"]
