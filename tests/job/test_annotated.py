"""Values that the schema doesn't list are judged by the annotations of what is called with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Optional

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from torch import nn

from runner.cli.main import main
from runner.errors import RunnerError
from runner.job.annotated import misfits
from runner.job.build import build


class Base:
    def __init__(self, *, width: int = 3, mean: tuple[float, float] = (0.0, 1.0), **others: Any) -> None: ...


class Handing(Base):
    """Hands what it does not take itself to its base."""

    def __init__(self, name: str, **base: Any) -> None: ...


@dataclass
class Recipe:
    settings: Base = field(default_factory=Base)


def function(
    number: float,
    switch: bool = False,
    size: int = None,  # type: ignore[assignment] # noqa: RUF013 - libraries write it so
    rate: int = 0.5,  # type: ignore[assignment]
    layer: Optional[nn.Module] = None,  # noqa: UP045
    act: Callable[..., nn.Module] | None = None,
    way: Literal["mean", "sum"] = "mean",
    depths: Sequence[int] = (2, 2),
    anything: Any = None,
    unannotated=1,
) -> None: ...


@pytest.mark.parametrize(
    ("target", "key", "value", "words"),
    [
        (pl.Trainer, "detect_anomaly", [None], "true or false"),
        (pl.Trainer, "gradient_clip_val", {"a": 1}, "a number or a whole number or null"),
        (pl.Trainer, "devices", [None], "a list of values, each a whole number or text or a whole number"),
        (pl.Trainer, "strategy", [1], "text"),
        (torch.optim.AdamW, "betas", [0.9], "a list of 2 values, each a number"),
        (torch.optim.AdamW, "betas", [0.9, None], "a list of 2 values, each a number"),
        (torch.optim.AdamW, "amsgrad", {"a": 1}, "true or false"),
        (nn.Conv2d, "kernel_size", [3, "x"], "a whole number or a list of 2 values, each a whole number"),
        (Handing, "name", None, "text"),
        (Handing, "width", "wide", "a whole number"),
        (Handing, "mean", [1, 2, 3], "a list of 2 values, each a number"),
        (function, "number", "", "a number"),
        (function, "size", [], "a whole number or null"),
        (function, "layer", [1], "a section with a _target_ or null"),
        (function, "act", "relu", "a section with a _target_ or null"),
        (Recipe, "settings", {"a": 1}, "a section with a _target_"),
        (function, "way", "max", "one of mean, sum"),
        (function, "depths", 2, "a list of values, each a whole number"),
    ],
)
def test_what_cannot_be_meant_is_named_with_what_may_be(target, key, value, words):
    (message,) = misfits(target, {key: value}, "here")
    assert message.startswith(f"here.{key}=")
    assert message.endswith(f": must be {words}.")


@pytest.mark.parametrize(
    ("target", "values"),
    [
        (pl.Trainer, {"devices": [0], "precision": "bf16-mixed", "limit_train_batches": 0.5, "max_time": {"hours": 1}}),
        (pl.Trainer, {"callbacks": None, "strategy": {"_target_": "pytorch_lightning.strategies.DDPStrategy"}}),
        (torch.optim.AdamW, {"lr": 1, "betas": [0.9, 0.999], "fused": None}),
        (nn.Conv2d, {"kernel_size": [3, 3], "padding": "same"}),
        (Handing, {"name": "x", "width": 1, "mean": [0, 1], "of_another": [None]}),
        (function, {"number": 1, "size": None, "rate": [1], "act": {"_target_": "torch.nn.ReLU"}, "depths": []}),
        (function, {"anything": {"a": [1]}, "unannotated": [None], "unknown": 3}),
        (dict, {"a": 1}),
    ],
)
def test_what_may_be_meant_passes(target, values):
    assert list(misfits(target, values, "here")) == []


def test_every_wrong_value_of_an_object_is_told_at_once():
    node = {"_target_": "torch.nn.Conv2d", "in_channels": [1], "out_channels": 2, "kernel_size": {"a": 1}}
    with pytest.raises(RunnerError, match=r"(?s)2 things to mend.*model\.in_channels=.*model\.kernel_size="):
        build(OmegaConf.create({"model": node}), "model")


def test_check_refuses_a_value_that_would_break_training_later(capsys):
    assert main(["check", "trainer.detect_anomaly=[null]"]) == 2
    assert "error: trainer.detect_anomaly=[None]: must be true or false.\n" in capsys.readouterr().err
