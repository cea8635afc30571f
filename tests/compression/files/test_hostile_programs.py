"""Files that would execute something, or fill the memory, are refused before torch.export sees them."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from runner.compression.files.program import load_program, save_program
from runner.errors import RunnerError

GRAPH = "a/models/model.json"
WEIGHTS = "a/data/weights/model_weights_config.json"
CONSTANTS = "a/data/constants/model_constants_config.json"


class Touch:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The members of a good file by their names."""
    path = tmp_path_factory.mktemp("good") / "x.pt2"
    save_program(nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval(), torch.randn(2, 4), path)
    assert load_program(path).program(torch.zeros(5, 4)).shape == (5, 3)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def edited(members, name, change):
    content = json.loads(members[name])
    change(content)
    return {name: json.dumps(content).encode()}


def first(content):
    return next(iter(content["config"].values()))


def weight(**changes):
    return lambda content: first(content).update(changes)


def called(target):
    return lambda content: content["graph_module"]["graph"]["nodes"][0].update(target=target)


def structure(spec):
    def change(content):
        content["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = json.dumps([1, spec])

    return change


def opaque(name):
    def change(content):
        content["config"]["thing"] = {"path_name": name, "is_param": False, "use_pickle": False, "tensor_meta": None}

    return change


def hostile(members, pickled):
    """Every way that a file can try, by what it is."""
    saved = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, saved)
    enum = {"type": "builtins.tuple", "context": json.dumps({"__enum__": True, "fqn": "antigravity:X", "name": "y"})}
    return {
        "sample inputs": {"a/data/sample_inputs/model.pt": pickled},
        "legacy weights": {"a/data/weights/model.pt": pickled},
        "legacy constants": {"a/data/constants/model.pt": pickled},
        "legacy weights without code": {"a/data/weights/model.pt": saved.getvalue()},
        "opaque constant": {
            **edited(members, CONSTANTS, opaque("opaque_obj_0")),
            "a/data/constants/opaque_obj_0": pickled,
        },
        "custom object": {
            **edited(members, CONSTANTS, opaque("custom_obj_0")),
            "a/data/constants/custom_obj_0": pickled,
        },
        "pickled weight": edited(members, WEIGHTS, weight(use_pickle=True)),
        "absent weight": edited(members, WEIGHTS, weight(path_name="../../../etc/passwd")),
        "huge weight": {
            **edited(members, WEIGHTS, lambda content: first(content)["tensor_meta"].update(sizes=[{"as_int": 2**40}])),
            **{name: b"" for name in members if name.startswith("a/data/weights/weight_")},
        },
        "another module": {"a/models/evil.json": members[GRAPH]},
        "native code": {"a/data/aotinductor/model/x.so": b"\x7fELF"},
        "another folder": {"b/models/model.json": members[GRAPH]},
        "hub": edited(members, GRAPH, called("torch.hub.load")),
        "load": edited(members, GRAPH, called("torch.serialization.os.system")),
        "library": edited(members, GRAPH, called("torch.ops.load_library")),
        "from a file": edited(members, GRAPH, called("torch.ops.aten.from_file.default")),
        "private": edited(members, GRAPH, called("torch.ops.aten.__class__.mro")),
        "operator": edited(members, GRAPH, called("_operator.methodcaller")),
        "extension": edited(members, GRAPH, called("#evil:op")),
        "enumeration": edited(members, GRAPH, structure(enum)),
        "class": edited(members, GRAPH, structure({"type": "collections.namedtuple", "context": '"x"'})),
    }


def test_every_one_is_refused_before_torch_sees_it(members, tmp_path, monkeypatch):
    touched, path = tmp_path / "executed", tmp_path / "hostile.pt2"
    monkeypatch.setattr(torch.export, "load", lambda *_: pytest.fail("torch.export.load was called"))
    for way, changes in hostile(members, pickle.dumps(Touch(touched))).items():
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {**members, **changes}.items():
                archive.writestr(name, content)
        with pytest.raises(RunnerError, match=r"refused|damaged|native code"):
            load_program(path)
            pytest.fail(way)
    assert not touched.exists()


def test_a_member_that_is_there_twice_is_refused(members, tmp_path):
    path = tmp_path / "twice.pt2"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(GRAPH, members[GRAPH])
    with pytest.raises(RunnerError, match="not written by this runner"):
        load_program(path)
