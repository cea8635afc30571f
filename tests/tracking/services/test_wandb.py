"""W&B's offline files hold the whole run, under one identifier however often it goes on."""

import json
import struct

import pytest

from runner.errors import RunnerError
from runner.tracking.services import wandb as service
from runner.tracking.services.wandb import WandB, has_key

pytest.importorskip("wandb", reason="pip install 'runner[wandb]'")

# Of a .wandb file: a header, then LevelDB's log in blocks (google/leveldb, doc/log_format.md).
HEADER, BLOCK, FRAME = 7, 32768, 7
WHOLE, LAST = 1, 4


@pytest.fixture(autouse=True)
def nobody_has_a_key(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def records(path):
    """Yield the records of a .wandb file."""
    from wandb.proto import wandb_internal_pb2

    data, at, whole = path.read_bytes(), HEADER, b""
    while at + FRAME <= len(data):
        if BLOCK - at % BLOCK < FRAME:
            at += BLOCK - at % BLOCK
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + FRAME])
        whole += data[at + FRAME : at + FRAME + size]
        at += FRAME + size
        if kind in (WHOLE, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def values(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_offline_files_are_complete_and_go_on(run, tmp_path):
    directory, rows = run
    WandB(str(directory)).push(rows, "interrupted")
    rows.log_metrics({"train/loss": 0.0625, "epoch": 2}, step=17)
    WandB(str(directory)).push(rows, "done")
    files = sorted((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    assert len({file.name for file in files}) == 1  # one identifier
    found = [record for file in files for record in records(file)]
    config = {
        key: value
        for each in found
        if each.WhichOneof("record_type") == "config"
        for key, value in values(each.config.update).items()
    }
    assert config["optimizer.lr"] == 0.1
    told = [values(each.history.item) for each in found if each.WhichOneof("record_type") == "history"]
    assert [(each["trainer/global_step"], each["epoch"], each["train/loss"]) for each in told] == [
        (5, 0, 0.5),
        (11, 1, 0.125),
        (17, 2, 0.0625),
    ]
    assert told[0]["val/accuracy"] == 0.25
    (network,) = (tmp_path / "wandb").glob("offline-run-*/files/record/artifacts/int8.onnx")
    assert network.read_bytes() == b"network"


def test_a_key_is_looked_for_where_people_keep_one(monkeypatch, tmp_path):
    assert not has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    (tmp_path / "netrc").write_text("machine wandb.example.org login user password secret\n")
    assert has_key()
    (tmp_path / "netrc").write_text("machine elsewhere login user password secret\n")
    assert not has_key()
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    assert has_key()


def test_what_was_written_offline_is_another_place_than_the_server(run, monkeypatch):
    directory, _ = run
    assert WandB(str(directory)).key == "wandb-offline"
    monkeypatch.setattr(service, "has_key", lambda: True)
    assert WandB(str(directory)).key == "wandb"
    with pytest.raises(RunnerError, match="must be online or offline"):
        WandB(str(directory), mode="elsewhere")
