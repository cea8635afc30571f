"""Networks, data and tasks of sequences: what does not belong together is refused, with what does."""

import pytest

from runner.config.compose import compose
from runner.errors import RunnerError


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model=resnet", "data=names"], ["takes image data, not sequence", "gru, lstm, mamba, mamba2", "transformer"]),
        (["model=gru", "data=mnist"], ["takes sequence data, not image", "resnet"]),
        (["model=mlp", "data=hello"], ["takes image data, not sequence"]),
        (["data=names", "task=classification"], ["the targets of this data are for sequence_classification."]),
        (
            ["data=names", "task=sequence_labelling"],
            ["task=sequence_labelling data=names: the targets of this data are for sequence_classification."],
        ),
        (["data=hello", "task=sequence_classification"], ["the targets of this data are for sequence_labelling."]),
        (
            ["data=digits", "task=sequence_classification"],
            ["task=sequence_classification data=digits: this task is for sequence data, not image."],
        ),
        (["data=fake_names", "data.max_length=0"], ["data.max_length=0: must be from 1 to 100000"]),
        (["data=fake_names", "data.bucket_batches=0"], ["data.bucket_batches=0: must be at least 1"]),
    ],
)
def test_it_is_refused_with_the_way_out(overrides, words):
    with pytest.raises(RunnerError) as raised:
        compose(overrides)
    for each in words:
        assert each in str(raised.value)


@pytest.mark.parametrize(("data", "readout"), [("hello", "each"), ("fake_names", "whole")])
def test_the_task_says_what_a_network_answers(data, readout):
    assert compose([f"data={data}", "model=mamba"]).config.model.readout == readout
