"""From an adapter to a small network: trained, merged, quantized and exported in one run, and put on its base again."""

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from runner.compression.quantization.program.network import QuantizedNetwork
from runner.job.assemble import restore
from runner.tracking.run_directory import RunDirectory
from tests.support.runs import Run

BASE = ("model=cnn", "trainer.max_epochs=1", "optimizer.lr=0.01")
CHAIN = ("stages=[fit,test,compress,test,export]", "quantization=ptq_static", "quantization.calibration.batches=1")


@pytest.fixture(scope="module")
def chain(tmp_path_factory, run_once, digits_run) -> Run:
    """A finished run; compiling is no part of what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QuantizedNetwork, "can_lower", False)
        adapters = ("finetune=lora", "finetune.rank=2", "export.formats=[onnx]")
        return run_once(tmp_path_factory.mktemp("chain") / "run", *BASE, *CHAIN, *adapters, f"checkpoint={digits_run}")


def test_every_stage_behind_training_meets_the_plain_network(chain, digits_run):
    metrics, plain = chain.metrics, Run(digits_run).checkpoint("best")["state_dict"]
    merged = chain.checkpoint("best")
    assert merged["structure"] == []
    assert merged["state_dict"].keys() == plain.keys()
    assert {name for name, each in merged["state_dict"].items() if not torch.equal(each, plain[name])} == {
        name for name in plain if not name.endswith("bias") or "head" in name
    }
    assert metrics["compressed/int8_operators"] == 3
    assert abs(metrics["compressed/accuracy"] - metrics["test/accuracy"]) < 0.05 < 0.8 < metrics["test/accuracy"]


def test_the_file_answers_as_the_merged_network(chain):
    datamodule, task = restore(RunDirectory(chain.path).config(), chain.path)
    datamodule.setup()
    images = datamodule.example(8)
    session = onnxruntime.InferenceSession(next((chain.path / "artifacts").glob("*.onnx")))
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    wanted = task(images).detach().numpy()
    assert np.square(wanted).sum() > 100 * np.square(wanted - found).sum()  # 20 dB: int8 under one calibration batch


def test_its_costs_are_those_of_what_was_stored(chain, digits_run):
    metrics = chain.metrics
    stored = load_file(next((chain.path / "adapter").glob("*.safetensors")))
    plain = Run(digits_run).checkpoint("best")["state_dict"]
    adapters = {name: each for name, each in stored.items() if "lora" in name}
    assert metrics["finetune/stored_bytes"] == sum(each.numel() * each.element_size() for each in stored.values())
    assert metrics["finetune/trainable_parameters"] == sum(each.numel() for each in stored.values())
    every = sum(each.numel() for each in (*plain.values(), *adapters.values()))
    assert metrics["finetune/trainable_share"] == pytest.approx(metrics["finetune/trainable_parameters"] / every)
    own = sum(each.numel() * each.element_size() for each in (*plain.values(), *adapters.values()))
    assert metrics.get("finetune/peak_memory_bytes", own) >= own  # Linux tells
    assert metrics["finetune/step_seconds"] > 0 and metrics["finetune/latency_ms"] > 0


def test_on_its_base_again_it_answers_the_same(chain, digits_run, train):
    adapter = ("stages=[test]", f"checkpoint={digits_run}", f"finetune.adapter={chain.path}")
    again = train(*BASE, *adapter)
    assert again.metrics["test/accuracy"] == chain.metrics["test/accuracy"]
    assert again.metrics["test/loss"] == chain.metrics["test/loss"]
