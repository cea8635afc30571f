"""build: allowed packages, known keywords, and errors a user can act on."""

import random
import sys

import pytest
import torch
from omegaconf import OmegaConf

from runner.config import plugins
from runner.config.plugins import ALLOWED_FUNCTIONS, ALLOWED_TARGETS
from runner.errors import RunnerError
from runner.job.build import allowing, build, build_node, locate


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
        "torch.nn.functional.torch.fx.graph_module._exec_with_source",
        "torch.nn.functional.torch.hub.load",
        "torch.nn.functional.torch.load",
        "torch.nn.modules.module.torch.save",
        "torch.nn.utils.rnn.pack_padded_sequence",
        "torch.nn.functional.relu",
        "torch.nn.modules",
        "torch.nn.modules.module._WrappedHook",
        "torch.nn.Linear.__init__",
        "torch.nn.modules.linear.Module",
        "torchvision.models._api.torch.hub.load_state_dict_from_url",
        "torchvision.models.get_model",
        "timm.models.load_checkpoint",
        "pytorch_lightning.cli.LightningCLI",
        "runner.models.torchvision.RunnerError",
        "runner.models.cnn.nn.Module",
        "runner.sweep.launchers.forked.job",
        "runner.sweep.launchers.subprocess.run_apart",
        "runner.tracking.checkpoints.save_weights",
        "runner.compression.files.runtimes.AOTProgram",
        "runner.cli.main.main",
    ],
)
def test_nothing_outside_the_allowed_packages_is_called(target):
    with pytest.raises(RunnerError, match=r"allowed package|does not exist|cannot be imported|is no class"):
        build_node({"_target_": target}, "model")


def test_nothing_that_the_allowed_modules_lead_to_is_called_but_what_is_allowed():
    """Random ways of one to four names through everything that the allowed packages have imported."""
    draw = random.Random(0)
    starts = [name for name in sys.modules if f"{name}.".startswith(ALLOWED_TARGETS)]
    for _ in range(5000):
        dotted = draw.choice(starts)
        found = sys.modules[dotted]
        for _ in range(draw.randint(1, 4)):
            if not (names := list(getattr(found, "__dict__", ()))):
                break
            name = draw.choice(names)
            dotted, found = f"{dotted}.{name}", getattr(found, name, None)
        try:
            taken = locate("model", dotted)
        except RunnerError:
            continue
        assert f"{taken.__module__}.{taken.__qualname__}".startswith(ALLOWED_TARGETS), dotted
        assert isinstance(taken, type) or dotted.startswith(ALLOWED_FUNCTIONS), dotted


def test_what_stands_in_a_value_as_text_is_not_resolved_again():
    hidden = "${oc.create:{_target_: builtins.print, sep: executed}}"
    assert build_node({"_target_": "torch.nn.Sequential", "_args_": [], "_partial_": True}, "model")() is not None
    with pytest.raises(RunnerError, match="str is not a Module subclass"):
        build_node({"_target_": "torch.nn.Sequential", "_args_": [hidden]}, "model")


def test_networks_of_the_libraries_may_be_named():
    for target in ("torchvision.models.resnet18", "timm.models.resnet18", "timm.models.resnet.resnet18"):
        assert locate("model", target).__name__ == "resnet18"


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
    with pytest.raises(RunnerError, match=r"only you can allow"), allowing(["my_networks"], "a file"):
        pass
    plugins.enable(["model=cnn", "runner.plugins=[my_networks]"])
    with allowing(["my_networks"], "a file"):
        assert build_node(node, "model").width == 4


def test_of_thousands_of_unknown_keywords_ten_are_named():
    node = {"_target_": "torch.nn.Linear", **{f"x_{number}": 1 for number in range(3000)}}
    with pytest.raises(RunnerError, match=r"does not take x_0, x_1, x_10, .* and 2,990 more\. .*It takes: in_features"):
        build_node(node, "model")
