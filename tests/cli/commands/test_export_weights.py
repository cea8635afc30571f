"""export-weights: what other tools load, with the names and the numbers of the run's own network."""

import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from runner.cli.main import main
from runner.models.cnn import CNN
from runner.tracking.checkpoints import read_checkpoint, save_weights
from runner.tracking.weights import files

STRUCTURE = [{"change": "low_rank", "layers": {"head": 2}}]


@pytest.fixture
def best(digits_run):
    state = read_checkpoint(digits_run / "checkpoints" / "best.ckpt")["state_dict"]
    return {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}


def test_both_files_are_loaded_by_other_tools(digits_run, best, tmp_path, capsys):
    assert main(["export-weights", str(digits_run), "--output", str(tmp_path / "weights")]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"6 tensors, 8,490 numbers, from {digits_run / 'checkpoints' / 'best.ckpt'}")
    state = torch.load(tmp_path / "weights" / "weights.pt", weights_only=True)
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == ["weights.pt", "weights.safetensors"]
    assert state._metadata["features.0"] == {"version": 1}
    network = CNN(in_channels=1, image_size=28, num_outputs=10)
    network.load_state_dict(state)
    for found in (state, load_file(tmp_path / "weights" / "weights.safetensors")):
        assert found.keys() == best.keys()
        assert all(torch.equal(found[name], best[name]) for name in best)
    with safe_open(tmp_path / "weights" / "weights.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_a_run_starts_from_either_and_measures_the_same(name, digits_run, run, tmp_path, capsys):
    import json

    assert main(["export-weights", str(digits_run), "-o", str(tmp_path)]) == 0
    overrides = ["model=cnn", "data=digits", f"checkpoint={tmp_path / name}", "stages=[test]", "logger=none"]
    result = json.loads((run(*overrides) / "result.json").read_text())
    before = json.loads((digits_run / "result.json").read_text())
    for metric in ("test/accuracy", "test/loss"):
        assert result["metrics"][metric] == before["metrics"][metric]


def test_a_smaller_network_carries_the_steps_to_its_shape(best, tmp_path, capsys):
    state = {f"network.{name}": value for name, value in best.items()}
    save_weights(tmp_path / "factorized.ckpt", {"state_dict": state, "structure": STRUCTURE})
    assert main(["export-weights", str(tmp_path / "factorized.ckpt")]) == 0
    assert "It has factorized layers: other tools need a network of that shape" in capsys.readouterr().out
    content = files.read(tmp_path / "weights.safetensors")
    assert content["structure"] == STRUCTURE
    assert content["state_dict"].keys() == best.keys()


def test_what_has_no_weights_is_refused(digits_run, tmp_path, capsys):
    bare = tmp_path / "bare"
    shutil.copytree(digits_run, bare, ignore=shutil.ignore_patterns("*.ckpt"))
    for place, words in ((bare, "kept no weights"), (tmp_path / "nowhere", "there is no such run directory")):
        assert main(["export-weights", str(place)]) == 2
        assert words in capsys.readouterr().err
    save_weights(tmp_path / "odd.ckpt", {"state_dict": {"network.x": torch.ones(2), "network._extra_state": {"a": 1}}})
    assert main(["export-weights", str(tmp_path / "odd.ckpt")]) == 2
    assert "network._extra_state is no tensor" in capsys.readouterr().err.replace(" _extra", " network._extra")
