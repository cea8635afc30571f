"""Weights from anywhere: every form that scripts save them in, what does not fit, and what is no weights at all."""

import argparse
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from runner.errors import RunnerError
from runner.tracking import checkpoints
from runner.tracking.weights import files
from runner.tracking.weights.loading import load
from runner.tracking.weights.matching import below, inside, kept, versions


class Net(nn.Module):
    """A network with what state dicts hold: weights, statistics, a counter, and a weight that is there twice."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
        self.middle = nn.Linear(4, 4, bias=False)
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.middle.weight
        self.head = nn.Linear(4, outputs)


def prefixed(prefix: str, state, factor: float = 1.0):
    return {prefix + name: value * factor if value.is_floating_point() else value for name, value in state.items()}


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    net = Net()
    net.stem[1].running_mean.normal_()
    net.stem[1].num_batches_tracked.fill_(7)
    return net.state_dict()


# How each form is saved, and what stood before the names.
FORMS = {
    "plain": (lambda s: s, ""),
    "model": (lambda s: {"model": s}, "model."),
    "state_dict": (lambda s: {"state_dict": s, "epoch": 3}, "state_dict."),
    "model_state_dict": (
        lambda s: {"model_state_dict": s, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}},
        "model_state_dict.",
    ),
    "net": (lambda s: {"net": s, "acc": 91.2}, "net."),
    "params": (lambda s: {"params": s}, "params."),
    "distributed": (lambda s: prefixed("module.", s), "module."),
    "compiled": (lambda s: {"state_dict": prefixed("_orig_mod.", s)}, "state_dict._orig_mod."),
    "both": (lambda s: prefixed("module._orig_mod.", s), "module._orig_mod."),
    "network": (lambda s: prefixed("network._orig_mod.", s), "network._orig_mod."),
    "nested": (lambda s: {"ema": {"model": prefixed("module.", s), "decay": 0.9}}, "ema.model.module."),
    "lightning": (
        lambda s: {"state_dict": {**prefixed("model.", s), "criterion.weight": torch.ones(3)}},
        "state_dict.model.",
    ),
    "a part compiled": (lambda s: {name.replace("stem.", "stem._orig_mod."): each for name, each in s.items()}, ""),
    "any prefix": (lambda s: prefixed("encoder.trunk.", s), "encoder.trunk."),
    "averages beside": (
        lambda s: {"model": s, "model_ema": {**prefixed("module.", s, 2), "n_averaged": torch.tensor(3)}},
        "model.",
    ),
    "averages alone": (lambda s: {"state_dict_ema": s}, "state_dict_ema."),
    "with its command line": (lambda s: {"state_dict": s, "args": argparse.Namespace(lr=0.1)}, "state_dict."),
    "without a tied name": (lambda s: {name: each for name, each in s.items() if name != "tied.weight"}, ""),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_state_dict_is_loaded_as_a_whole(form, state, tmp_path):
    make, prefix = FORMS[form]
    torch.save(make(state), tmp_path / "weights.pth")
    net = Net()
    loaded = load(net, files.read(tmp_path / "weights.pth"), tmp_path / "weights.pth")
    for name, value in net.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert (loaded.prefix, loaded.fresh, loaded.cast) == (prefix, {}, [])


def test_the_wrappers_own_state_dicts_are_loaded(state, tmp_path):
    whole = Net()
    whole.load_state_dict(state)
    for wrapped in (nn.DataParallel(whole), torch.optim.swa_utils.AveragedModel(whole)):
        torch.save(wrapped.state_dict(), tmp_path / "w.pth")
        net = Net()
        assert load(net, files.read(tmp_path / "w.pth"), tmp_path).prefix == "module."
        assert torch.equal(net.head.weight, state["head.weight"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_of_another_type_are_cast_and_told(dtype, state, tmp_path):
    other = {name: each.to(dtype) if each.is_floating_point() else each for name, each in state.items()}
    torch.save(other, tmp_path / "w.pt")
    net = Net()
    loaded = load(net, files.read(tmp_path / "w.pt"), tmp_path)
    assert loaded.cast == [str(dtype).removeprefix("torch.")]
    assert loaded.lines() == [f"cast from {loaded.cast[0]}"]
    assert net.head.weight.dtype == torch.float32
    assert torch.equal(net.head.weight, other["head.weight"].float())


def test_safetensors_whole_in_pieces_and_in_a_folder(state, tmp_path):
    own = {name: each.clone() for name, each in state.items() if name != "tied.weight"}
    save_file(own, tmp_path / "whole.safetensors")
    names = list(own)
    save_file({name: own[name] for name in names[:3]}, tmp_path / "1.safetensors")
    save_file({name: own[name] for name in names[3:]}, tmp_path / "2.safetensors")
    places = {name: "1.safetensors" if name in names[:3] else "2.safetensors" for name in names}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    assert checkpoints.find_checkpoint(tmp_path) == tmp_path / "model.safetensors.index.json"
    for path in (tmp_path / "whole.safetensors", checkpoints.find_checkpoint(tmp_path)):
        net = Net()
        assert load(net, files.read(path), path).fresh == {}
        assert torch.equal(net.stem[0].weight, state["stem.0.weight"])
    (tmp_path / "2.safetensors").unlink()
    with pytest.raises(RunnerError, match=r"names 2\.safetensors, which is not beside it"):
        files.read(tmp_path / "model.safetensors.index.json")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../secret.bin"}}))
    with pytest.raises(RunnerError, match="outside its own folder"):
        files.read(tmp_path / "model.safetensors.index.json")


def test_a_counter_that_older_files_lack_is_no_difference(state, tmp_path):
    net = Net()
    content = {name: each for name, each in state.items() if not name.endswith("num_batches_tracked")}
    assert load(net, content, tmp_path).fresh == {}
    assert int(net.stem[1].num_batches_tracked) == 0


def test_a_head_of_another_size_is_refused_with_both_shapes_and_left_out_when_asked(state, tmp_path):
    net = Net(outputs=5)
    fresh = net.head.weight.clone()
    with pytest.raises(RunnerError) as refused:
        load(net, {"state_dict": prefixed("module.", state)}, Path("w.pth"))
    text = str(refused.value)
    assert text.startswith("w.pth: the checkpoint is of another network (of what stands behind state_dict.module.*): ")
    assert "head.weight has shape (3, 4), this network (5, 4); head.bias has shape (3,), this network (5,)" in text
    assert "checkpoint_strict=false leaves out what does not fit" in text
    loaded = load(net, prefixed("module.", state), Path("w.pth"), strict=False)
    assert list(loaded.fresh) == ["head.weight", "head.bias"]
    assert "9 of 11 tensors loaded; left out, they start fresh:" in loaded.lines()
    assert torch.equal(net.head.weight, fresh)
    assert torch.equal(net.middle.weight, state["middle.weight"])


def test_what_is_missing_and_what_is_too_much_is_named_with_what_looks_alike(state):
    changed = {name.replace("stem.0", "stem.conv"): each for name, each in state.items()}
    with pytest.raises(RunnerError, match=r"stem.0.weight is missing \(nearest: stem.conv.weight\)"):
        load(Net(), changed, Path("w"))
    with pytest.raises(RunnerError, match="extra is not in this network"):
        load(Net(), {**state, "extra": torch.ones(2)}, Path("w"))
    loaded = load(Net(), {**state, "extra": torch.ones(2)}, Path("w"), strict=False)
    assert (loaded.ignored, loaded.fresh) == (["extra"], {})


@pytest.mark.parametrize("strict", [True, False])
def test_a_network_with_nothing_in_common_is_refused_whatever_is_asked(strict):
    with pytest.raises(RunnerError, match=r"none of its 2 names \(0.weight, 0.bias, …\) is one of this network's"):
        load(Net(), nn.Sequential(nn.Linear(2, 2)).state_dict(), Path("w"), strict=strict)
    with pytest.raises(RunnerError, match="no tensor fits"):
        load(nn.Linear(2, 2), nn.Linear(3, 3).state_dict(), Path("w"), strict=False)
    with pytest.raises(RunnerError, match="it holds no tensors by name"):
        load(Net(), {"epoch": 3}, Path("w"), strict=strict)


def test_two_networks_that_fit_are_refused_and_the_same_one_twice_is_not(state):
    with pytest.raises(RunnerError, match=r"several networks that fit, student\.\*, teacher\.\*"):
        load(Net(), {**prefixed("student.", state), **prefixed("teacher.", state, 2)}, Path("w"))
    assert load(Net(), {**prefixed("a.", state), **prefixed("b.", state)}, Path("w")).prefix == "a."


def test_integers_are_no_weights_of_a_float_network(state):
    with pytest.raises(RunnerError, match=r"stem\.0\.weight holds int8 numbers"):
        load(Net(), {**state, "stem.0.weight": state["stem.0.weight"].to(torch.int8)}, Path("w"))


def test_what_needs_code_is_refused_with_the_way_out(tmp_path):
    torch.save({"model": Net()}, tmp_path / "whole.pt")
    with pytest.raises(RunnerError) as refused:
        files.read(tmp_path / "whole.pt")
    assert "reading it would run code" in str(refused.value)
    assert "torch.save(model.state_dict(), FILE)" in str(refused.value)
    torch.save([torch.ones(2)], tmp_path / "list.pt")
    with pytest.raises(RunnerError, match="holds a list, not weights by their names"):
        files.read(tmp_path / "list.pt")


@pytest.mark.parametrize("name", ["cut.pth", "words.pth", "words.safetensors", "empty.pt", "words.index.json"])
def test_what_is_damaged_is_refused_with_its_name(name, state, tmp_path):
    torch.save(state, tmp_path / "good.pth")
    content = {"cut": (tmp_path / "good.pth").read_bytes()[:900], "words": b"hello", "empty": b""}
    (tmp_path / name).write_bytes(content[name.split(".")[0]])
    with pytest.raises(RunnerError, match=name):
        files.read(tmp_path / name)
    with pytest.raises(RunnerError, match="there is no such checkpoint"):
        files.read(tmp_path / "nowhere.pt")


def test_a_flipped_bit_is_refused(state, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    content = bytearray((tmp_path / "w.pth").read_bytes())
    where = content.index(state["stem.0.weight"].numpy().tobytes())
    content[where] ^= 1
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(RunnerError, match="the checkpoint is damaged"):
        files.read(tmp_path / "w.pth")


def test_state_dicts_keep_the_versions_of_modules_under_other_names(state, tmp_path):
    moved = below(state, "network.")
    checkpoints.save_weights(tmp_path / "a.ckpt", {"state_dict": moved})
    read = checkpoints.read_checkpoint(tmp_path / "a.ckpt")["state_dict"]
    assert versions(read)["network.stem.1"] == {"version": 2}
    assert versions(inside(read, "network.")) == versions(state)
    assert versions(kept(read, lambda name: "stem" in name)) == versions(read)
    assert list(inside(moved, "network.")) == list(state)


def test_the_network_inside_another_one_is_found(state):
    """Metric learning wraps its network; a classification's weights, of another output layer, are its trunk."""
    wrapping, path = nn.Sequential(Net(outputs=5)), Path("run")
    with pytest.raises(RunnerError, match=r"head.weight has shape \(3, 4\).*checkpoint_strict=false leaves out"):
        load(wrapping, state, path)
    loaded = load(wrapping, state, path, strict=False)
    assert set(loaded.fresh) == {"head.weight", "head.bias"}
    assert all(torch.equal(each, state[name]) for name, each in wrapping[0].state_dict().items() if "head" not in name)
    with pytest.raises(RunnerError, match="none of its"):
        load(nn.Sequential(nn.ParameterDict({"other": torch.ones(1)})), state, path)


def test_what_a_task_keeps_beside_its_network_is_no_end_of_it():
    task, content = nn.Module(), {"state_dict": {"network.weight": torch.ones(1, 1)}, "structure": []}
    task.network = nn.Linear(1, 1, bias=False)
    task.register_buffer("threshold", torch.zeros(()))
    with pytest.raises(RunnerError, match=r"another task: threshold is missing.*checkpoint_strict=false"):
        checkpoints.load_weights(task, content, Path("run"))
    assert "threshold" in checkpoints.load_weights(task, content, Path("run"), strict=False).fresh
    assert task.network.weight == 1
