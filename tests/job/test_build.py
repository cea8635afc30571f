"""build: allowed packages, known keywords, and errors a user can act on."""

import pytest
import torch
from omegaconf import OmegaConf

from runner.errors import RunnerError
from runner.job.build import build, build_node, plugins


def test_a_node_becomes_the_object_it_describes():
    layer = build_node({"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 2}, "model")
    assert isinstance(layer, torch.nn.Linear)
    assert layer.weight.shape == (2, 3)


def test_declarations_are_not_passed_on():
    config = OmegaConf.create(
        {"model": {"_target_": "torch.nn.Linear", "takes": ["tabular"], "in_features": 3, "out_features": 2}}
    )
    assert build(config, "model").in_features == 3


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.run",
        "torch.load",
        "torch.hub.load",
        "runner.models.torchvision.sys.exit",
        "torch.nn.functional.importlib.import_module",
        "torch.nn.modules.module.functools.partial",
        "pytorch_lightning.trainer.trainer.os.remove",
    ],
)
def test_nothing_outside_the_allowed_packages_is_called(target):
    with pytest.raises(RunnerError, match=r"allowed package|does not exist|cannot be imported"):
        build_node({"_target_": target}, "model")


def test_a_nested_target_is_checked_too():
    node = {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "os.system", "command": "true"}]}
    with pytest.raises(RunnerError, match=r"model\._args_\[0\]\._target_=os\.system"):
        build_node(node, "model")


def test_an_unknown_keyword_names_the_nearest_right_one():
    node = {"_target_": "torch.nn.Linear", "in_feature": 3, "out_features": 2}
    with pytest.raises(RunnerError, match=r"does not take in_feature\. Did you mean in_features"):
        build_node(node, "model")


def test_a_value_the_target_refuses_is_told_in_its_words():
    node = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 4, "kernel_size": 3, "groups": 2}
    with pytest.raises(RunnerError, match=r"model \(torch\.nn\.Conv2d\): in_channels must be divisible by groups"):
        build_node(node, "model")


def test_a_target_that_does_not_exist_is_named():
    with pytest.raises(RunnerError, match=r"torch\.nn\.Linea"):
        build_node({"_target_": "torch.nn.Linea"}, "model")


def test_a_plugin_of_the_working_directory_is_importable(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text(
        "import torch\n\n\nclass Tiny(torch.nn.Module):\n    def __init__(self, width):\n"
        "        super().__init__()\n        self.width = width\n"
    )
    monkeypatch.chdir(tmp_path)
    node = {"_target_": "my_networks.Tiny", "width": 4}
    with pytest.raises(RunnerError, match=r"runner\.plugins"):
        build_node(node, "model")
    with plugins(["my_networks"]):
        assert build_node(node, "model").width == 4
