"""Every mistake on a command line gets one message with the way out, and all of them at once."""

import pytest

from runner.config.compose import compose
from runner.errors import RunnerError


def message(*overrides):
    with pytest.raises(RunnerError) as raised:
        compose(list(overrides))
    return str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["modle=cnn"], ["modle: there is no such group or key.", "Did you mean mode, model"]),
        (["model=resnt"], ["model=resnt: there is no such choice.", "resnet"]),
        (["optimizer.learning_rate=1"], ["optimizer.learning_rate: there is no such key", "Keys of optimizer: ", "lr"]),
        (["trainer.max_epoch=3"], ["trainer.max_epoch: there is no such key", "trainer.max_epochs"]),
        (["optimizer.lr=-0.1"], ["optimizer.lr=-0.1: must be above 0"]),
        (["optimizer.lr=fast"], ["optimizer.lr=fast: must be a number"]),
        (["trainer.max_epochs=0"], ["trainer.max_epochs=0: must be at least 1"]),
        (["trainer.max_epochs=2.5"], ["trainer.max_epochs=2.5: must be a whole number"]),
        (["trainer.precision=8"], ["trainer.precision=8: must be one of"]),
        (["trainer.precision=int8"], ["trainer.precision=int8: must be one of", "bf16-mixed"]),
        (["trainer.accelerator=npu"], ["trainer.accelerator=npu: must be one of auto, cpu, gpu"]),
        (["data.batch_size=0"], ["data.batch_size=0: must be at least 1"]),
        (["data.validation_fraction=1.5"], ["data.validation_fraction=1.5: must be at least 0 and below 1"]),
        (["compile=maybe"], ["compile=maybe: must be true or false"]),
        (["seed=-1"], ["seed=-1: must be at least 0"]),
        (["stages=[fitt]"], ["there is no stage fitt", "Did you mean fit"]),
        (["stages=[]"], ["leaves nothing to do"]),
        (["stages=[test]"], ["needs trained weights", "checkpoint=RUN_DIRECTORY"]),
        (["cross_validation.folds=1"], ["cross_validation.folds=1: must be 0 (off) or at least 2"]),
        (["model=linear", "data=digits"], ["takes tabular data, not image", "Networks that take it:", "resnet"]),
        (["model=resnet", "data=line"], ["takes image data, not tabular", "linear"]),
        (["data=digits", "task=regression"], ["no numbers to predict; use task=classification"]),
        (["data=line", "task=classification"], ["no classes; use task=regression"]),
        (["data=digits", "task=binary_classification"], ["needs data of two classes, this has 10"]),
        (["model._target_=os.system"], ["model._target_=os.system: not in an allowed package", "runner.plugins=[os]"]),
        (["data=csv", "data.root=x.csv"], ["data.target"]),
        (["a=(b"], ["a=(b: not understood"]),
    ],
)
def test_a_mistake_is_explained(overrides, words):
    text = message(*overrides)
    for word in words:
        assert word in text
    assert "+" not in text.replace("'key=", "")  # never Hydra's advice to append the typo


def test_all_mistakes_are_reported_together():
    text = message("model=resnt", "optimizer.lr=-1", "trainer.max_epoch=3", "stages=[tset]", "modl=cnn")
    assert text.startswith("5 things to mend:")
    for word in ("model=resnt", "optimizer.lr=-1", "trainer.max_epoch:", "no stage tset", "modl:"):
        assert word in text


def test_a_mandatory_value_is_asked_for():
    assert "data.target=???" in message("data=csv", "data.root=table.csv") or "data.target" in message("data=csv")


def test_the_users_own_choices_win_over_those_of_the_data():
    config = compose(["data=line", "model=tabular_mlp"]).config
    assert config.model._target_.endswith("MLP")
    assert config.task.name == "regression"


def test_the_data_brings_its_task_and_network():
    chosen = compose(["data=hours"]).chosen
    assert (chosen["task"], chosen["model"]) == ("binary_classification", "logistic")


def test_hydra_places_the_run_directory():
    assert str(compose(["hydra.run.dir=elsewhere/run"]).run_directory) == "elsewhere/run"
    assert compose([]).run_directory.name.endswith("-cnn-digits")


def test_a_directory_of_the_users_own_adds_choices(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tiny.yaml").write_text("_target_: torch.nn.Flatten\ntakes: [image]\n")
    assert compose(["model=tiny"], config_dir=str(tmp_path)).config.model._target_ == "torch.nn.Flatten"
    with pytest.raises(RunnerError, match="there is no such choice"):
        compose(["model=tiny"])


def test_conf_in_the_working_directory_adds_choices(tmp_path, monkeypatch):
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    (tmp_path / "conf" / "optimizer" / "mine.yaml").write_text(
        "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.5\n"
    )
    monkeypatch.chdir(tmp_path)
    assert compose(["optimizer=mine"]).config.optimizer.lr == 0.5


def test_a_missing_config_directory_is_named():
    with pytest.raises(RunnerError, match="--config-dir nowhere: there is no such directory"):
        compose([], config_dir="nowhere")
