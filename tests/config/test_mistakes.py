"""Every mistake on a command line gets one message with the way out, and all of them at once."""

import re

import pytest

from runner.config.catalog import config_directories
from runner.config.compose import check_sweep, compose
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
        (["logger=[csv,csv]"], ["logger=[csv,csv]: names csv twice. Name it once."]),
        (
            ["+logger.own={_target_: runner.tracking.loggers.MetricsFile, path: '${run_directory:}/metrics.csv'}"],
            ["logger.own: is the same as logger.csv"],
        ),
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
        (["seed=-1"], ["seed=-1: must be from 0 to"]),
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
        (["data=image_folder", "data.root=x", "data.fit=fill"], ["data.fit=fill: must be one of crop, squash, pad"]),
        (["data=image_folder", "data.root=x", "data.on_broken=stop"], ["data.on_broken=stop: must be one of auto"]),
        (["a=(b"], ["a=(b: not understood"]),
        (["=3"], ["=3: the key before = is missing"]),
        (["seed=abc"], ["seed=abc: must be a whole number, from 0 to 4294967295"]),
        (["seed=99999999999"], ["seed=99999999999: must be from 0 to 4294967295"]),
        (["seed=1,2"], ["seed=1,2: several values are a sweep; add -m"]),
        (["model=cnn,mlp"], ["model=cnn,mlp: several values are a sweep; add -m"]),
        (["model=null"], ["model=null: choose one (python -m runner list model)"]),
        (["~model"], ["model=null: a run needs one. See: python -m runner list model"]),
        (["~callbacks"], ["~callbacks: nothing is chosen there by that name; callbacks=[] leaves all of it out"]),
        (["~optimizer.momentm", "optimizer=sgd"], ["optimizer.momentm: there is no such key", "optimizer.momentum"]),
        (["optimizer={lr: 1}"], ["there is no such choice", "python -m runner list optimizer"]),
        (["model@other=cnn"], ["model@other: there is no such group or key. Did you mean model"]),
        (["hydra.rn.dir=x"], ["hydra.rn.dir: there is no such key. Did you mean hydra.run.dir"]),
        (["stages=fit"], ["stages=fit: must be a list of names"]),
        (["stages=null"], ["stages=null: must be a list of names"]),
        (["cross_validation=3"], ["cross_validation=3: must be a section", "cross_validation.key=value"]),
        (["runner=null"], ["runner=null: must be a section"]),
        (["runner.plugins=mine"], ["runner.plugins=mine: must be a list of names"]),
        (["name=null"], ["name=null: must be text"]),
        (["data.batch_size=null"], ["data.batch_size=null: must be a whole number, at least 1"]),
        (["model=gcn", "data=karate", "model.dropout=30"], ["model.dropout=30: must be from 0 to 1"]),
        (["model=gru", "data=fake_names", "model.layers=0"], ["model.layers=0: must be at least 1"]),
        (["model=readout_mean", "data=generated_graphs", "model.num_layers=-1"], ["must be at least 1"]),
        (["model=sagpool", "data=generated_graphs", "model.ratio=-1"], ["model.ratio=-1: must be above 0"]),
        (["model=cnn", "model.channels=[10,0]"], ["model.channels=[10, 0]: must be", "each at least 1"]),
        (["data.num_classes=abc"], ["data.num_classes=abc: must be a whole number, at least 1"]),
        (["optimizer.lr=${nope}"], ["optimizer.lr: Interpolation key 'nope' not found."]),
        (["seed=${oc.env:NOT_SET_ANYWHERE}"], ["seed: ", "'NOT_SET_ANYWHERE' not found"]),
        (
            ["quantization=ptq_static", "quantization.corrections.smooth=2"],
            ["corrections.smooth=2: must be from 0 to 1"],
        ),
        (
            ["quantization=ptq_static", "quantization.corrections.adaround=9"],
            ["must be true or false or settings in br"],
        ),
        (
            ["quantization=ptq_static", "quantization.corrections.adaround={iteration: 9}"],
            ["corrections.adaround.iteration: there is no such key. Did you mean iterations"],
        ),
        (
            ["model=mlp", "quantization=ptq_dynamic", "quantization.corrections.equalize=true"],
            ["quantization.corrections.equalize: a dynamic recipe measures ranges", "quantization=ptq_static"],
        ),
        (
            ["quantization=qat", "quantization.corrections.adaround=true"],
            ["quantization.corrections.adaround: fine-tuning", "Possible with qat: equalize, smooth."],
        ),
        (["callbacks=[checkpoint,emma]"], ["callbacks=emma: there is no such choice. Did you mean ema"]),
    ],
)
def test_a_mistake_is_explained(overrides, words):
    text = message(*overrides)
    for word in words:
        assert word in text
    assert "+" not in text  # never Hydra's advice to append the typo


def test_all_mistakes_are_reported_together():
    text = message("model=resnt", "optimizer.lr=-1", "trainer.max_epoch=3", "stages=[tset]", "modl=cnn")
    assert text.startswith("5 things to mend:")
    for word in ("model=resnt", "optimizer.lr=-1", "trainer.max_epoch:", "no stage tset", "modl:"):
        assert word in text


@pytest.mark.parametrize(
    ("choices", "values"),
    [
        (
            ["data=shapes_boxes", "model=faster_rcnn", "optimizer=lbfgs", "scheduler=warmup_cosine"],
            {
                "model.proposals": ["0", "at least 1"],
                "model.num_classes": ["0", "at least 1"],
                "model.most": ["-1", "at least 1"],
                "model.overlap": ["1e8", "from 0 to 1"],
                "model.pyramid": ["[8,0]", "each at least 1"],
                "optimizer.history_size": ["-1", "at least 1"],
                "optimizer.max_iter": ["0", "at least 1"],
                "scheduler.warmup_fraction": ["-1", "from 0 to 1"],
                "scheduler.final_fraction": ["1e8", "from 0 to 1"],
                "trainer.devices": ["100000000", "-1 (all) or from 1 to 1024"],
            },
        ),
        (
            ["data=cora", "data/sampling=saint_walk"],
            {"data.sampling.length": ["0", "at least 1"], "data.sampling.steps": ["-1", "at least 1"]},
        ),
        (
            ["data=fake_names"],
            {"data.most": ["0", "at least 1"], "data.max_length": ["100000000", "from 1 to 100000"]},
        ),
        (
            ["data=generated_graphs"],
            {"data.graphs_a_class": ["-1", "from 1 to 1000000"], "data.num_features": ["0", "at least 1"]},
        ),
        (
            ["data=digits", "model=mlp", "scheduler=plateau"],
            {
                "model.image_size": ["0", "at least 1"],
                "data.std": ["[0]", "each above 0"],
                "data.num_workers": ["100000000", "from 0 to 1024"],
                "data.split_seed": ["99999999999", "from 0 to 4294967295"],
                "data.shuffle_seed": ["-1", "from 0 to 4294967295"],
                "scheduler.factor": ["1", "above 0 and below 1"],
                "scheduler.patience": ["-1", "at least 0"],
                "trainer.devices": ["0", "-1 (all) or from 1 to 1024"],
            },
        ),
    ],
)
def test_numbers_that_mean_nothing_are_refused_in_every_section(choices, values):
    found = message(*choices, *(f"{key}={value}" for key, (value, _) in values.items()))
    for key, (_, words) in values.items():
        assert re.search(rf"{re.escape(key)}=\S.*: must be .*{re.escape(words)}", found), key


def test_what_is_no_number_is_none_anywhere():
    found = message("augmentation.shift=nan", "optimizer.betas=[0.9,nan]", "expected.value=nan")
    assert "expected.value, optimizer.betas, augmentation.shift, data.augmentation.shift: nan is no number." in found


def test_a_mandatory_value_is_asked_for():
    assert message("data=csv", "data.root=table.csv").startswith("data.target=??? is mandatory: add data.target=…")


def test_the_users_own_choices_win_over_those_of_the_data():
    config = compose(["data=line", "model=tabular_mlp"]).config
    assert config.model._target_.endswith("MLP")
    assert config.task.name == "regression"


def test_the_data_brings_its_task_and_network():
    chosen = compose(["data=hours"]).chosen
    assert (chosen["task"], chosen["model"]) == ("binary_classification", "logistic")


def test_hydra_places_the_run_directory():
    assert str(compose(["hydra.run.dir=elsewhere/run"]).run_directory) == "elsewhere/run"
    assert compose([]).run_directory.name.endswith("-resnet-digits")


def test_a_directory_of_the_users_own_adds_choices(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tiny.yaml").write_text("_target_: torch.nn.Flatten\ntakes: [image]\n")
    assert compose(["model=tiny"], config_dir=str(tmp_path)).config.model._target_ == "torch.nn.Flatten"
    with pytest.raises(RunnerError, match="there is no such choice"):
        compose(["model=tiny"])


def test_conf_in_the_working_directory_adds_choices(tmp_path, monkeypatch):
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    (tmp_path / "conf" / "optimizer" / "mine.yaml").write_text("_target_: torch.optim.SGD\n_partial_: true\nlr: 0.5\n")
    monkeypatch.chdir(tmp_path)
    assert compose(["optimizer=mine"]).config.optimizer.lr == 0.5


def test_a_missing_config_directory_is_named():
    with pytest.raises(RunnerError, match="--config-dir nowhere: there is no such directory"):
        compose([], config_dir="nowhere")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+model=cnn", "model is chosen already: write model=… without +."),
        ("+optimizer.lr=0.1", "+optimizer.lr=0.1: the key is there already; write it without +."),
        ("+modle.dropout=0.1", "modle: there is no such section or key. Did you mean mode, model"),
        ("++modle.dropout=0.1", "modle: there is no such section or key. Did you mean mode, model"),
        ("+optimzer=3", "optimzer: there is no such section or key. Did you mean optimizer"),
    ],
)
def test_a_plus_does_not_hide_a_mistake(override, words):
    assert words in message(override)


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (["model=torchvision", "+model.dropout=0.1"], "dropout", 0.1),
        (["model=torchvision", "++model.dropout=0.1"], "dropout", 0.1),
        (["++model.kernel_size=3"], "kernel_size", 3),
        (["~model.channels"], "channels", None),
    ],
)
def test_a_key_may_be_added_and_taken_away(overrides, key, value):
    assert compose(overrides).config.model.get(key) == value


@pytest.mark.parametrize("group", ["scheduler", "augmentation", "callbacks", "logger"])
def test_a_section_that_a_run_can_do_without_may_be_empty(group):
    assert not compose([f"{group}=[]"]).config[group]


def test_of_two_values_the_last_counts():
    assert compose(["model=cnn", "model=mlp"]).chosen["model"] == "mlp"


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("age,weight,ill\n30,70,yes\n40,80,no\n")
    (tmp_path / "empty").mkdir()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data=image_folder", "data.root=nope"], "No such image folder: nope. Set data.root"),
        (["data=image_folder", "data.root=empty"], "empty holds no folders. Make one folder for each class"),
        (["data=csv", "data.root=nope.csv", "data.target=ill"], "No such table: nope.csv."),
        (["data=csv", "data.root=t.csv", "data.target=il"], "t.csv has no column 'il'. Did you mean ill?"),
        (
            ["data=csv", "data.root=t.csv", "data.target=ill", "data.features=[age,wight]"],
            "t.csv has no column 'wight'. Did you mean weight?",
        ),
        (["data=csv", "data.root=t.csv", "data.target=sick", "task=classification"], "t.csv has no column 'sick'."),
        (["data=csv", "data.root=t.csv"], "data.target=??? is mandatory: add data.target=… to the command."),
    ],
)
def test_what_the_files_lack_is_told_and_nothing_that_follows_from_it(table, overrides, words):
    text = message(*overrides)
    assert words in text
    assert "\n" not in text  # not "this data has no classes", which is only its consequence


def test_a_wrong_pair_is_told_beside_a_missing_file(table):
    text = message("model=linear", "data=image_folder", "data.root=nope")
    assert "No such image folder: nope" in text
    assert "takes tabular data, not image" in text


def test_a_table_is_read_once_for_a_command(table, monkeypatch):
    from runner.data.tables import columns

    columns.forget()
    read = []
    whole = columns.read_table
    monkeypatch.setattr(columns, "read_table", lambda path, *how: read.append(path) or whole(path, *how))
    config = compose(["data=csv", "data.root=t.csv", "data.target=ill", "task=classification"]).config
    assert (config.data.num_features, config.data.num_classes, config.task.num_outputs) == (2, 2, 2)
    assert len(read) == 1  # for the features and the classes


@pytest.fixture
def mine(tmp_path):
    """Writes a file of the user's own config directory and returns the directory."""

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(tmp_path)

    return write


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optimzer: {lr: 1}\n", "optimzer: there is no such section or key. Did you mean optimizer"),
        ("optimizer: {lr: -1}\n", "optimizer.lr=-1: must be above 0"),
        ("defaults:\n  - override /data: mnst\n", "Could not find 'data/mnst'. Did you mean mnist"),
        ("defaults:\n  - override /datta: mnist\n", "Could not override 'datta'"),
        ("name: ${nope.key}\n", "Interpolation key 'nope.key' not found"),
        ("seed: [1\n", "while parsing a flow sequence in"),
        ("model: 3\n", "model=3: a run needs one"),
        (b"\xff\xfe", "can't decode byte"),
    ],
)
def test_a_mistake_in_an_experiment_of_the_users_is_explained(mine, text, words):
    header = b"" if isinstance(text, bytes) else "# @package _global_\n"
    directory = mine("experiment/mine.yaml", header + text)
    with pytest.raises(RunnerError) as raised:
        compose(["experiment=mine"], config_dir=directory)
    assert words in str(raised.value)


def test_a_config_directory_with_a_space_is_found(tmp_path):
    folder = tmp_path / "my conf" / "model"
    folder.mkdir(parents=True)
    (folder / "tiny.yaml").write_text("_target_: torch.nn.Flatten\n")
    assert compose(["model=tiny"], config_dir=str(folder.parent)).chosen["model"] == "tiny"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["optimizer.lr=1,0.1,-1"], ["optimizer.lr=-1: must be above 0"]),
        (["optimizer.lr=choice(fast,1)"], ["optimizer.lr=fast: must be a number"]),
        (["trainer.max_epochs=range(0,3)"], ["trainer.max_epochs=0: must be at least 1"]),
        (["model=cnn,resnt"], ["model=resnt: there is no such choice. Did you mean resnet"]),
        (["model=cnn,linear"], ["model=linear data=digits: this network takes tabular data"]),
        (["trainer.max_epoch=1,2"], ["trainer.max_epoch: there is no such key"]),
        (["model=glob(*g*net)", "data=digits,line"], ["model=googlenet data=line: this network takes image data"]),
        (["optimizer.lr=-1,1", "seed=1,x"], ["2 things to mend", "optimizer.lr=-1", "seed=x"]),
    ],
)
def test_every_value_of_a_sweep_is_checked(overrides, words):
    with pytest.raises(RunnerError) as raised:
        check_sweep(overrides, config_directories())
    for word in words:
        assert word in str(raised.value)


def test_a_good_sweep_passes():
    check_sweep(["model=cnn,mlp", "seed=range(1,4)", "optimizer.lr=interval(0.1,1)"], config_directories())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["data=shapes_boxes", "augmentation=mixup"], "mixup and cutmix blend classes"),
        (["data=shapes_masks", "augmentation=cutmix"], "Use augmentation.mosaic=0.5"),
        (["data=digits", "augmentation.mosaic=0.5"], "it is for boxes and masks"),
        (["data=digits", "augmentation.pca=0.1"], "these are grey"),
    ],
)
def test_an_augmentation_that_targets_cannot_follow_is_refused(overrides, said):
    with pytest.raises(RunnerError, match=said):
        compose(overrides)
