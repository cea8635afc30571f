"""check: four lines for a run that would work, the reason for one that would not, and nothing written."""

import pytest

from runner.cli.main import main


@pytest.fixture(autouse=True)
def empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())


def test_four_lines(capsys):
    assert main(["check", "model=cnn", "data=digits"]) == 0
    composes, builds, data, batch = capsys.readouterr().out.splitlines()
    assert composes.split()[0] == "composes"
    assert {"model=cnn", "data=digits", "task=classification"} <= set(composes.split())
    assert builds == "builds     8,490 parameters"
    assert data == "data       1,258 train, 180 val, 359 test"
    assert batch.startswith("one batch  (2, 1, 28, 28) in, (2, 10) out, loss ")


def test_lightning_is_not_heard(capfd):
    assert main(["check", "data=diabetes"]) == 0
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 4
    assert err == ""


@pytest.mark.parametrize("optimizer", ["lbfgs", "sgd"])
def test_any_optimizer_is_built(optimizer):
    assert main(["check", "data=line", f"optimizer={optimizer}", "scheduler=none"]) == 0


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model=linear", "data=digits"], "takes tabular data, not image"),
        (["model.kernel_size=99"], "Images of 28x28 are too small"),
        (["model=cnn", "+model.depth=3"], "runner.models.cnn.CNN does not take depth."),
        (["model.channels=[]"], "model (runner.models.resnet.ResidualNet): IndexError: list index out of range."),
        (["data.num_classes=7"], "data.num_classes is 7, but the data has 10 classes."),
        (["task.trainable=tail"], "task.trainable: tail matches no parameter"),
        (["optimizer.betas=3"], "optimizer.betas=3: must be a list of 2 values, each a number."),
        (["+optimizer.momentum=0.9"], "torch.optim.AdamW does not take momentum."),
        (["scheduler.warmup_fraction=-3"], "scheduler.warmup_fraction=-3: must be from 0 to 1."),
        (["scheduler.interval=day"], "scheduler.interval=day: must be step or epoch"),
        (["callbacks=[ema]", "callbacks.ema.decay=2"], "callbacks.ema (runner.callbacks.averaging.WeightAverage"),
        (["trainer.devices=none"], "trainer (pytorch_lightning.Trainer): "),
        (["+trainer.max_epoch=3"], "pytorch_lightning.Trainer does not take max_epoch. Did you mean max_epochs"),
        (["+logger.csv.name=x"], "runner.tracking.loggers.MetricsFile does not take name."),
    ],
)
def test_what_would_not_work_is_told_before_anything_trains(overrides, words, capsys):
    assert main(["check", *overrides]) == 2
    assert words in capsys.readouterr().err


def test_an_absent_accelerator_is_told(capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert main(["check", "trainer=gpu"]) == 2
    assert "No supported gpu backend found! What this machine has: python -m runner doctor" in capsys.readouterr().err
