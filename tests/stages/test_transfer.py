"""task.trainable: only what it names changes when a trained network is trained further."""

import pytest
import torch

from runner.tracking.checkpoints import read_checkpoint

CONVOLUTIONS = {"features.0", "features.3"}


def weights(directory):
    state = read_checkpoint(directory / "checkpoints" / "last.ckpt")["state_dict"]
    return {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}


@pytest.mark.parametrize(
    ("trainable", "changed"),
    [
        ("head", {"head.weight", "head.bias"}),
        ("bias", {"features.0.bias", "features.3.bias", "head.weight", "head.bias"}),
        ("[features.3]", {"features.3.weight", "features.3.bias"}),
        ("['*.0.weight','head*']", {"features.0.weight", "head.weight", "head.bias"}),
        (
            "all",
            {"features.0.weight", "features.0.bias", "features.3.weight", "features.3.bias"}
            | {"head.weight", "head.bias"},
        ),
    ],
)
def test_only_what_is_named_changes(run, digits_run, trainable, changed):
    directory = run(
        "model=cnn",
        f"checkpoint={digits_run}",
        f"task.trainable={trainable}",
        "trainer.max_epochs=1",
        "trainer.limit_train_batches=3",
        "trainer.limit_val_batches=1",
        "stages=[fit]",
        "logger=none",
    )
    start = read_checkpoint(digits_run / "checkpoints" / "best.ckpt")["state_dict"]
    found = {name for name, value in weights(directory).items() if not torch.equal(value, start[f"network.{name}"])}
    assert found == changed
