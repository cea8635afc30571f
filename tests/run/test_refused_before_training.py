"""What is known before training is refused before training: by check, and by the run itself before its first batch."""

import pytest
import pytorch_lightning as pl

from runner.cli.main import main

INT8 = ("model=cnn", "quantization=ptq_static")
SMALL_NET = ("model=cnn", "model.channels=[4,4]")
STOPPING = ("callbacks=[checkpoint,early_stopping]",)
FEATURES = ("distillation=features",)
REFUSALS = [
    # data
    (["data.test_fraction=0"], "The stage test needs test data"),
    (["data.test_fraction=0", "stages=[fit,predict]"], "The stage predict needs test data"),
    (["cross_validation.folds=2000"], "Cross-validation needs from 2 to"),
    (["cross_validation.folds=500"], "A class needs at least 500 samples"),
    # metrics that are watched
    (
        ["task.monitor=val/acuracy"],
        "task.monitor=val/acuracy: this task does not measure that. Did you mean val/accuracy",
    ),
    (
        ["callbacks=[checkpoint,early_stopping]", "callbacks.early_stopping.monitor=val/los"],
        "callbacks.early_stopping.monitor",
    ),
    (["scheduler=plateau", "scheduler.monitor=val/los"], "scheduler.monitor=val/los"),
    # weights to start from
    (["checkpoint=nowhere"], "checkpoint=nowhere: there is no such file or run directory"),
    (["checkpoint={damaged}"], "the checkpoint is damaged"),
    (["checkpoint={other}", "stages=[test]"], "the checkpoint is of another network"),
    # stages
    (["stages=[fit,analyse]"], "The stage analyse looks at an int8 program"),
    (["quantization=bf16", "stages=[fit,compress,analyse]"], "The stage analyse looks at an int8 program"),
    ([*INT8, "stages=[fit,compress,compress]"], "compress can change the network once"),
    (["benchmark.batch_sizes=[]"], "benchmark.batch_sizes"),
    (["benchmark.batch_sizes=[0]"], "benchmark.batch_sizes"),
    # files
    (["stages=[fit,export]", "export.formats=[progam]"], "no format progam. Did you mean program"),
    ([*INT8, "export.formats=[packed]"], "packed cannot hold static int8 programs"),
    (["quantization=weight_int4", "export.formats=[onnx]"], "onnx cannot hold weights in few bits"),
    (["pruning=channel", "export.formats=[packed]"], "packed cannot hold float networks"),
    # quantization
    ([*INT8, "quantization.skip=[nothing_of_this]"], "nothing_of_this"),
    ([*INT8, "quantization.skip=[Conv2d,Linear]"], "Nothing to quantize"),
    ([*INT8, "quantization.corrections.smooth=0.5"], "smooth"),
    (["model=cnn", "quantization=ptq_dynamic", "quantization.skip=[Linear]"], "finds nothing to quantize"),
    (["model=cnn", "quantization=qat", "quantization.numerics.activation_observer=percentile"], "percentile"),
    (["model=rnn", "data=hello", "quantization=ptq_dynamic"], "no back end has integer kernels for recurrent cells"),
    (["quantization=weight_int4", "quantization.skip=[none_such]"], "none_such"),
    (["quantization=kmeans", "quantization.skip=[none_such]"], "none_such"),
    # pruning
    (["pruning=channel", "pruning.skip=[none_such]"], "none_such"),
    (["pruning=channel", "pruning.ratio=0.999"], "would empty"),
    (["model=logistic", "data=hours", "pruning=channel"], "no channels between its layers"),
    (["model=cnn", "pruning=channel", "pruning.importance=bn_scale"], "has no batch norm"),
    (["pruning=magnitude", "pruning.skip=[none_such]"], "none_such"),
    (["pruning=magnitude", "pruning.ratio=0.99999"], "would empty"),
    (["pruning=lottery", "checkpoint={trained}", "stages=[prune,test]"], "holds none"),
    # factorization
    (["factorization=low_rank", "factorization.skip=[none_such]"], "none_such"),
    ([*SMALL_NET, "factorization=low_rank", "factorization.rank=64"], "was factorized"),
    (["model=mlp", "factorization=depthwise"], "was factorized"),
    # distillation
    (
        ["distillation=logits", "distillation.teacher={other}", "data.image_size=20"],
        "does not take the student's inputs",
    ),
    ([*FEATURES, "distillation.teacher={trained}", "distillation.layers={no_layer: head}"], "no_layer"),
    (
        ["pruning=channel", "distillation=features", "distillation.teacher=self", "distillation.layers={no_layer: x}"],
        "no_layer",
    ),
]


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """A run of another network, one of the default network, and a checkpoint that is cut off."""
    folder = tmp_path_factory.mktemp("places")
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1", "logger=csv"]
    for name, model in (("other", "mlp"), ("trained", "resnet")):
        run = [f"model={model}", *short, "stages=[fit]", f"hydra.run.dir={folder / name}"]
        assert main(run) == 0
    damaged = folder / "damaged.ckpt"
    damaged.write_bytes((folder / "trained" / "checkpoints" / "best.ckpt").read_bytes()[:-200])
    return {"other": str(folder / "other"), "trained": str(folder / "trained"), "damaged": str(damaged)}


@pytest.mark.parametrize(("overrides", "message"), REFUSALS, ids=[" ".join(each) for each, _ in REFUSALS])
def test_what_is_known_beforehand_is_refused_before_the_first_batch(
    overrides, message, places, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for stage in ("fit", "test"):
        monkeypatch.setattr(pl.Trainer, stage, lambda *_, **__: pytest.fail("a batch was looked at"))
    for place, path in places.items():
        overrides = [each.replace(f"{{{place}}}", path) for each in overrides]
    overrides = [*overrides, "trainer=cpu", "logger=csv"]
    assert main(["check", *overrides]) == 2
    checked = capsys.readouterr().err
    assert main([*overrides, "hydra.run.dir=run"]) == 2
    refused = capsys.readouterr().err
    assert message in checked and checked == refused
    assert "Traceback" not in checked
