"""Notices: told once, kept in the record, with the result; older records and identities are as they were."""

from runner.config.compose import compose
from runner.tracking.identity import identity
from runner.tracking.notices import Notice, recorded, tell
from runner.tracking.result import RunResult
from runner.tracking.run_directory import RunDirectory


def test_a_notice_is_told_once_for_each_subject(tmp_path, capsys):
    record = RunDirectory(tmp_path)
    record.update_status(state="running")
    tell(
        record, [Notice("dead", "a is dead", "a"), Notice("dead", "a is still dead", "a"), Notice("dead", "b [b]", "b")]
    )
    tell(record, [Notice("dead", "a is dead again", "a"), Notice("data", "kept only", "data")], aloud=False)
    assert [each["text"] for each in recorded(record)] == ["a is dead", "b [b]", "kept only"]
    assert record.status["state"] == "running"
    assert capsys.readouterr().out.splitlines() == ["Notice  a is dead", "Notice  b [b]"]


def test_a_damaged_record_has_no_notices(tmp_path):
    record = RunDirectory(tmp_path)
    for damaged in (None, "text", [1, {"text": "no kind"}]):
        record.update_status(warnings=damaged)
        assert recorded(record) == []


def test_results_from_before_notices_are_read(tmp_path):
    values = {"status": "done", "name": "a", "identity": "", "run_directory": "", "parameters": 1}
    RunResult(**values, seconds={}, metrics={}).save(tmp_path / "result.json")
    text = (tmp_path / "result.json").read_text().replace('"warnings": []', '"choices": {}')
    (tmp_path / "result.json").write_text(text)
    assert RunResult.load(tmp_path / "result.json").warnings == []


def test_identities_are_those_from_before_recalibration():
    plain = compose(["data=digits"]).plain
    asked = compose(["data=digits", "batch_norm.recalibrate=true"]).plain
    before = {key: value for key, value in plain.items() if key != "batch_norm"}
    assert identity(plain) == identity(before) != identity(asked)
