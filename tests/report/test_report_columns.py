"""Only what tells runs apart is a column: choices and what somebody typed, not all that follows from them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from runner.config.compose import compose
from runner.report.differences import differing_columns, label
from runner.report.run_record import MISSING, value_of
from runner.report.runs import RunRecord, find_runs
from runner.tracking.identity import flatten
from tests.support.written_runs import Write, writer


@pytest.fixture
def write(tmp_path) -> Write:
    return writer(tmp_path / "runs")


@cache
def composed(*overrides: str) -> RunRecord:
    """A finished run of the real configuration."""
    found = compose(overrides)
    plain = OmegaConf.to_container(found.config, resolve=True)
    return RunRecord(
        path=Path("/runs") / " ".join(overrides),
        name=plain["name"],
        state="done",
        reason="",
        identity="",
        settings=flatten(plain),
        choices=found.chosen,
        metrics={},
        seconds={},
        parameters=None,
        artifacts={},
        started=None,
        overrides=overrides,
    )


@pytest.fixture
def columns(write) -> Callable[..., list[str]]:
    """The columns of runs written with these settings of `write`."""
    return lambda *runs: differing_columns(find_runs([write(**each) for each in runs]))


def test_a_choice_stands_for_the_settings_of_its_file(columns):
    assert columns({"model": "cnn"}, {"model": "mlp"}) == ["model"]


def test_a_setting_typed_for_one_network_stays_beside_the_choice(columns):
    wide = {"model": "mlp", "settings": {"model.hidden": [128]}, "typed": ("model.hidden=[128]",)}
    assert columns({"model": "cnn"}, {"model": "mlp"}, wide) == ["model", "model.hidden"]


def test_a_setting_stays_where_only_it_differs(columns):
    wide = {"model": "mlp", "settings": {"model.hidden": [128]}, "typed": ("model.hidden=[128]",)}
    assert columns({"model": "mlp"}, wide) == ["model.hidden"]


def test_a_default_that_was_changed_between_runs_of_one_choice_is_not_hidden(columns):
    changed = {"model": "mlp", "settings": {"model.hidden": [128]}}
    assert columns({"model": "cnn"}, {"model": "mlp"}, changed) == ["model", "model.hidden"]


def test_a_default_that_was_changed_elsewhere_is_not_taken_for_a_part_of_the_choice(columns):
    assert columns({"model": "cnn"}, {"model": "mlp", "settings": {"optimizer.lr": 0.1}}) == ["model", "optimizer.lr"]


def test_seeds_and_their_copies_are_no_columns(columns):
    assert columns({"seed": 1}, {"seed": 2}) == []


def test_a_copy_of_a_typed_setting_is_no_column(columns):
    runs = [{"settings": {"data.batches": n, "recipe.batches": n}, "typed": (f"data.batches={n}",)} for n in (2, 4)]
    assert columns(*runs) == ["data.batches"]


def test_a_copy_that_was_typed_is_a_column(columns):
    typed = [("data.batches=2", "recipe.batches=2"), ("data.batches=4", "recipe.batches=4")]
    runs = [
        {"settings": {"data.batches": n, "recipe.batches": n}, "typed": t} for n, t in zip((2, 4), typed, strict=True)
    ]
    assert columns(*runs) == ["data.batches", "recipe.batches"]


def test_of_two_equal_settings_that_nobody_typed_one_is_shown(columns):
    assert columns({}, {"settings": {"a.b": 1, "a.c": 1}}) == ["a.b"]
    assert columns({}, {"settings": {"a.b.c": 1, "z": 1}}) == ["z"]


def test_settings_of_the_machine_are_no_columns(columns):
    elsewhere = {"settings": {"data.num_workers": 8, "name": "x", "logger.csv.path": "/there"}, "typed": ("name=x",)}
    assert columns({}, elsewhere) == []


def test_where_and_how_many_runs_were_started_is_no_column(columns):
    around = {"model": "cnn", "data": "digits", "launcher": "processes", "sweep": "seeds"}
    assert columns({}, {"choices": around}) == []


def test_true_is_not_one(columns):
    assert columns({"settings": {"a": True}}, {"settings": {"a": 1}}) == ["a"]
    assert columns({"settings": {"a": 1.0}}, {"settings": {"a": 1}}) == []


def test_null_is_not_missing(columns):
    assert columns({"settings": {"a": None}}, {}) == ["a"]


def test_columns_come_in_the_order_in_which_they_were_typed(columns):
    runs = [
        {"model": model, "settings": {"z": model, "b": model}, "typed": (f"z={model}", f"b={model}")}
        for model in ("cnn", "mlp")
    ]
    assert columns(*runs) == ["model", "z", "b"]


def test_runs_that_did_not_record_choices_are_told_apart_by_their_class(write):
    runs = find_runs([write(model=model, choices={}) for model in ("cnn", "mlp")])
    runs = [replace(run, overrides=()) for run in runs]
    assert differing_columns(runs) == ["model"]
    assert [value_of(run, "model") for run in runs] == ["CNN", "mlp"]


def test_a_value_that_is_not_there_is_missing(write):
    (run,) = find_runs([write()])
    assert value_of(run, "no.such") is MISSING


def test_no_runs_and_one_run_have_no_columns(write):
    assert differing_columns([]) == []
    assert differing_columns(find_runs([write()])) == []


@pytest.mark.parametrize(
    ("command_lines", "expected"),
    [
        # The data brings task, network and augmentation along.
        ([("data=digits",), ("data=diabetes",), ("data=mnist",)], ["data"]),
        ([("model=cnn", "optimizer=sgd"), ("model=resnet", "optimizer=adam")], ["model", "optimizer"]),
        (
            [("optimizer=sgd", "optimizer.lr=0.1"), ("optimizer=adam", "optimizer.lr=0.2")],
            ["optimizer", "optimizer.lr"],
        ),
        # A recipe changes stages, the name, and adds a section with interpolations.
        ([("model=mlp", "quantization=none"), ("model=mlp", "quantization=ptq_static")], ["quantization"]),
        # An experiment changes anything, and a run beside it none of that.
        ([("experiment=mnist_cnn",), ("experiment=mnist_mlp",)], ["experiment"]),
        ([("experiment=mnist_mlp",), ("data=mnist", "model=resnet")], ["experiment", "model"]),
        ([("mode=smoke",), ("mode=default",)], ["mode"]),
        # How it is logged and where it runs is not what it is.
        ([("trainer=cpu", "logger=csv"), ("trainer=auto", "logger=both")], []),
    ],
)
def test_columns_of_the_real_configuration(command_lines, expected):
    assert differing_columns([composed(*texts) for texts in command_lines]) == expected


@pytest.mark.parametrize(
    ("column", "columns", "expected"),
    [
        ("optimizer.lr", ["model", "optimizer.lr"], "lr"),
        ("quantization/backend", [], "backend"),
        ("model._target_", [], "model"),
        ("optimizer.lr", ["optimizer.lr", "fine_tune.lr"], "optimizer.lr"),
    ],
)
def test_a_label_is_as_short_as_it_can_be(column, columns, expected):
    assert label(column, columns) == expected
