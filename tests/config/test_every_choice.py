"""Every YAML under conf/ is documented by its header, composes by its own command, and builds."""

import math
import shlex
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import nn

from runner.config import catalog
from runner.config.compose import compose
from runner.errors import RunnerError
from runner.job.build import build, check_call
from runner.sweep.plan import plan
from tests.support import box_labels, mask_sets

CONF = catalog.own_config_directory()
FILES = sorted(CONF.rglob("*.yaml"))
COMMAND = "python -m runner"
IMAGES_A_CLASS = 6
# Experiments that promise nothing: their data has to be downloaded, and a GPU trains for hours.
SILENT = ("coco_yolo", "voc_yolo")


@pytest.fixture(scope="module")
def users_files(tmp_path_factory):
    """What a header's command leaves open, as a user would fill it in."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "table.csv").write_text("a,b,y\n" + "".join(f"{i},{i * i},{2 * (i % 4)}\n" for i in range(20)))
    for name in ("cat", "dog"):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(IMAGES_A_CLASS):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / "images" / name / f"{number}.png")
    labels = folder / "labels" / "labels"
    labels.mkdir(parents=True)
    (labels.parent / "images").mkdir()
    (labels.parent / "data.yaml").write_text("names: [cat, dog]\n")
    for number in range(IMAGES_A_CLASS):
        Image.new("RGB", (8, 8)).save(labels.parent / "images" / f"{number}.png")
        (labels / f"{number}.txt").write_text(f"{number % 2} 0.5 0.5 0.5 0.5\n")
    (folder / "run").mkdir()
    places = {"FILE": folder / "table.csv", "PATH": folder / "images", "RUN": folder / "run"}
    places["LABELS"] = folder / "labels"
    places["OBJECTS"] = box_labels.coco(folder / "objects")
    (folder / "texts.csv").write_text("text,label\n" + "".join(f"word{i},{'ab'[i % 2]}\n" for i in range(20)))
    places["TEXTS"] = folder / "texts.csv"
    places["SET"] = mask_sets.folders(folder / "set")
    return {"COLUMN": "y", **{name: str(place) for name, place in places.items()}}


@pytest.fixture(params=FILES, ids=lambda path: path.relative_to(CONF).with_suffix("").as_posix())
def path(request) -> Path:
    return request.param


def test_three_header_lines(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[0].startswith("# @package"):
        lines = lines[1:]
    assert all(line.startswith("# ") and len(line) > len("# x") for line in lines[:3])
    assert not lines[3].startswith("#"), "a fourth header line"
    assert lines[1].removeprefix("# ").startswith(COMMAND)


def test_its_command_composes_and_everything_builds(path, users_files):
    overrides = overrides_of(path, users_files)
    if overrides[:1] == ["-m"]:
        its_sweep_can_run(overrides[1:])
        return
    with skipping_extras():
        composed = compose(overrides)
    config, group = composed.config, path.parent.relative_to(CONF).as_posix()
    if group == "export/format":  # of these there may be several
        assert list(config.export.formats) == [path.stem]
    elif group != "." and not path.stem.startswith("_"):  # those are shared by the choices of their group
        assert composed.chosen.get(group) == path.stem or path.stem in (config.get(group) or {}), "not chosen"
    network = build_network(config)
    data = build(config, "data")
    assert data.kind == config.data.kind
    assert not data.splits, "the data was read"
    build_training(config, network)
    build_trainer(config)
    if config.quantization.kind != "none":
        assert build(config, "quantization.recipe").kind == config.quantization.kind
    if config.factorization.kind != "none":
        assert build(config, "factorization.recipe").kind == config.factorization.kind
    if config.distillation.kind != "none":
        build(config, "distillation.recipe")


@contextmanager
def skipping_extras():
    """Skip the test where an extra that the choice needs is not installed here."""
    try:
        yield
    except RunnerError as error:
        if "not installed here" not in str(error):
            raise
        pytest.skip(str(error))


def its_sweep_can_run(overrides):
    """Every job composes and fits; a search has ranges; the launcher takes its settings."""
    planned = plan(overrides, None)
    assert not [job.mistakes for job in planned.jobs if job.mistakes]
    assert len(planned.jobs) > 1 or (planned.sweep["search"] and planned.space)
    check_call("launcher", planned.launcher, set())


def overrides_of(path, users_files):
    """The overrides of the command in a file's header."""
    _, command, _ = catalog.header(path)
    for placeholder, value in users_files.items():
        command = command.replace(f"={placeholder}", f"={value}")
    return shlex.split(command.removeprefix(COMMAND))


def build_network(config):
    with torch.device("meta"):
        network = build(config, "model")
    assert isinstance(network, nn.Module)
    assert all(parameter.is_meta for parameter in network.parameters())
    return network


def build_training(config, network):
    """Task, optimizer and scheduler; optimizers are small and their schedules short."""
    scheduler = build(config, "scheduler") if config.scheduler._target_ else None
    task = build(config, "task", network=network, optimizer=build(config, "optimizer"), scheduler=scheduler)
    assert any(each is network for each in task.network.modules())  # the task may add what is exported with it
    steps = SimpleNamespace(estimated_stepping_batches=10, max_epochs=2, check_val_every_n_epoch=1)
    # Where single layers decay, they are looked for in the network itself.
    made = task.optimization.configure(network if task.optimization.decay_only else nn.Linear(2, 2), steps)
    for group in made["optimizer"].param_groups:
        assert group["lr"] > 0
    assert ("lr_scheduler" in made) == (scheduler is not None)


def build_trainer(config):
    """Trainer, callbacks and loggers; without a GPU only the keywords of a GPU's trainer are looked at."""
    for section in ("callbacks", "logger"):
        for name in config[section]:
            with skipping_extras():
                build(config, f"{section}.{name}")
    check_call("trainer", dict(config.trainer), {"logger", "callbacks"})
    try:
        build(config, "trainer", logger=False)
    except RunnerError as error:
        assert "gpu" in str(error), error
        assert not torch.cuda.is_available()


@pytest.mark.parametrize("name", catalog.choices([CONF])["experiment"])
def test_an_experiment_promises_a_metric(name):
    config = compose([f"experiment={name}"]).config
    expected = config.expected
    if name in SILENT:
        assert expected.metric is None
        assert "Not measured here" in catalog.choices([CONF])["experiment"][name].expect
        return
    assert expected.metric.startswith(("test/", "compressed/"))
    assert expected.mode in ("min", "max")
    assert math.isfinite(expected.value)
    assert 0 <= expected.tolerance < max(0.1 * expected.value, 0.01)
    assert config.name == name
    assert f"experiment={name}" in catalog.choices([CONF])["experiment"][name].command
