"""Mistakes in pruning are told from the configuration alone, each with the way out."""

import pytest

from runner.config.compose import compose
from runner.errors import RunnerError


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["pruning=channel", "pruning.ratio=1"], "pruning.ratio=1: must be at least 0 and below 1"),
        (["pruning=channel", "pruning.macs=-0.1"], "pruning.macs=-0.1: must be at least 0 and below 1"),
        (
            ["pruning=channel", "pruning.importance=l3"],
            "pruning.importance=l3: must be one of l1, l2, bn_scale, taylor",
        ),
        (["pruning=channel", "pruning.schedule=cube"], "pruning.schedule=cube: must be one of one_shot, iterative"),
        (["pruning=channel", "pruning.rounds=0"], "pruning.rounds=0: must be at least 1"),
        (["pruning=channel", "pruning.fine_tune.lr=0"], "pruning.fine_tune.lr=0: must be above 0"),
        (["pruning=channel", "data=cora"], "networks over graphs take several; use pruning=magnitude"),
        (["pruning=magnitude", "pruning.importance=bn_scale"], "use it with pruning=channel, or l1, l2 or taylor"),
        (["pruning=magnitude", "compile=true"], "which cannot be pruned: leave it out with pruning"),
        (["pruning=semi_structured", "pruning.keep=4"], "pruning.keep=4: must be below pruning.group=4"),
        (["pruning=lottery", "trainer.max_epochs=3", "pruning.rewind_epoch=4"], "go back to one of them"),
        (["stages=[fit,prune]"], "The stage prune needs a recipe: add pruning=channel"),
        (
            ["pruning=channel", "quantization=ptq_static", "stages=[fit,compress,prune]"],
            "compress comes before prune, and a quantized program cannot be pruned; put prune first",
        ),
    ],
)
def test_mistakes_are_told_with_the_way_out(overrides, words):
    with pytest.raises(RunnerError) as raised:
        compose(overrides)
    assert words in str(raised.value)


def test_pruning_and_quantization_follow_each_other():
    composed = compose(["model=cnn", "data=digits", "pruning=channel", "quantization=ptq_static"])
    stages = ["fit", "test", "prune", "test", "compress", "test", "analyse", "export", "benchmark"]
    assert list(composed.config.stages) == stages
    assert composed.config.name == "cnn-digits-channel-ptq_static"
