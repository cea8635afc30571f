"""Mistakes in fine-tuning are told from the configuration alone, each with the way out."""

import pytest

from runner.config.compose import compose
from runner.errors import RunnerError


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["finetune=staged", "finetune.parts=1"], "finetune.parts=1: must be at least 2"),
        (["finetune=staged", "finetune.epochs=0"], "finetune.epochs=0: must be at least 1"),
        (["finetune=staged", "finetune.decay=0"], "finetune.decay=0: must be above 0"),
        (["finetune=staged", "optimizer=lbfgs"], "optimizer=lbfgs takes one: use optimizer=adamw"),
        (["finetune=staged", "trainer=ddp"], "settles at the start: use trainer=auto"),
        (["finetune=adalora", "trainer=fsdp"], "settles at the start: use trainer=auto"),
        (["finetune=adalora", "finetune.final_rank=8"], "ranks fall, from finetune.rank=8; choose a lower one"),
        (["finetune=adalora", "finetune.before=0.5", "finetune.after=0.5"], "leave no steps in which ranks fall"),
        (["finetune=adalora", "finetune.every=0"], "finetune.every=0: must be at least 1"),
        (["finetune=adalora", "finetune.orthogonality=-1"], "finetune.orthogonality=-1: must be at least 0"),
        (["finetune=lora", "finetune.projections=[q,x]"], "must be of q, k, v, each once"),
        (["finetune=qlora", "finetune.rank=0"], "finetune.rank=0: must be at least 1"),
    ],
)
def test_mistakes_are_told_with_the_way_out(overrides, words):
    with pytest.raises(RunnerError) as raised:
        compose(overrides)
    assert words in str(raised.value)
