"""Mistakes in fine-tuning are told from the configuration alone, all at once, each with the way out."""

import pytest

from runner.config.compose import compose
from runner.errors import RunnerError


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            "staged finetune.parts=1 finetune.epochs=0 finetune.decay=0",
            ["parts=1: must be at least 2", "epochs=0: must be at least 1", "decay=0: must be above 0"],
        ),
        (
            "staged optimizer=lbfgs trainer=ddp cross_validation.folds=3",
            ["takes one: use optimizer=adamw", "at the start: use trainer=auto", "leave cross_validation.folds out"],
        ),
        (
            "adalora finetune.every=0 finetune.orthogonality=-1",
            ["every=0: must be at least 1", "orthogonality=-1: must be at least 0"],
        ),
        (
            "adalora finetune.final_rank=8 finetune.before=0.5 finetune.after=0.5 trainer=ddp",
            ["from finetune.rank=8; choose a lower one", "leave no steps in which ranks fall", "use trainer=auto"],
        ),
        ("qlora finetune.rank=0 finetune.projections=[q,x]", ["rank=0: must be at least 1", "of q, k, v, each once"]),
    ],
)
def test_mistakes_are_told_with_the_way_out(overrides, words):
    with pytest.raises(RunnerError) as raised:
        compose(f"finetune={overrides}".split())
    assert [each for each in words if each not in str(raised.value)] == []
