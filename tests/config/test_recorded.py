"""The configuration in a run directory is judged like a command line, and refused in a sentence."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.cli.main import main
from runner.config.compose import compose
from runner.config.recorded import recorded_config, tell_places
from runner.errors import RunnerError
from runner.run.changes import own
from runner.run.going_on import go_on
from runner.tracking.run_directory import HERE, RunDirectory


@pytest.fixture(scope="module")
def good():
    """A configuration as a run records it."""
    return compose(["model=mlp", "data=digits"]).plain


@pytest.fixture
def run(tmp_path, good):
    """`run({"callbacks.checkpoint.dirpath": "/x"})` is a run directory of that configuration with these changes."""

    def make(changes=None, text=None, without=()):
        content = json.loads(json.dumps(good))
        for key, value in (changes or {}).items():
            *sections, last = key.split(".")
            node = content
            for section in sections:
                node = node[section]
            node[last] = value
        for key in without:
            *sections, last = key.split(".")
            node = content
            for section in sections:
                node = node[section]
            del node[last]
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(content) if text is None else text)
        (tmp_path / "status.json").write_text(json.dumps({"state": "failed", "done": []}))
        (tmp_path / "overrides.yaml").write_text("- model=mlp\n")
        return RunDirectory(tmp_path)

    return make


def refusal(record, typed=()):
    with pytest.raises(RunnerError) as caught, recorded_config(record, typed):
        pass
    assert str(record.path / "config.yaml") in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_what_a_run_records_is_good(run):
    with recorded_config(run()) as config:
        assert config.model.hidden


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"callbacks.checkpoint.dirpath": "/etc/ssh"}, "callbacks.checkpoint.dirpath=/etc/ssh: lies outside"),
        ({"callbacks.checkpoint.dirpath": f"{HERE}/../../x"}, "lies outside"),
        ({"callbacks.checkpoint.dirpath": "elsewhere"}, "lies outside"),
        ({"logger.csv.path": "/etc/profile"}, "logger.csv.path=/etc/profile: lies outside"),
        ({"logger.csv.path": ".bashrc"}, "lies outside"),
        ({"logger.csv._args_": [".bashrc"]}, "lies outside"),
        ({"logger.tensorboard.save_dir": "~/x"}, "lies outside"),
        ({"logger.csv.server": "http://example.org"}, "logger.csv.server=http://example.org: lies outside"),
        ({"trainer.default_root_dir": "/tmp/x"}, "lies outside"),
        ({"hydra": {"run": {"dir": "/tmp/x"}}}, "hydra: says how a command line is read"),
        ({"data.root": "${oc.env:HOME}"}, "holds ${oc.env:HOME}"),
        ({"name": "${name}"}, "holds ${name}"),
        ({"runner.plugins": ["evil"]}, "only you can allow"),
        ({"runner.plugins": "evil"}, "runner.plugins=evil: must be"),
        ({"model._target_": "os.system"}, "not in an allowed package"),
        ({"model": None}, "model=null: a run needs one"),
        ({"model": [1]}, "a run needs one"),
        ({"runner": None}, "runner=null: must be a section"),
        ({"seed": "x"}, "seed=x: must be a whole number"),
        ({"seed": 10**30}, "seed="),
        ({"stages": "fit"}, "stages=fit: must be"),
        ({"stages": ["fly"]}, "there is no stage fly"),
        ({"stages": [{"a": 1}]}, "stages="),
        ({"trainer.max_epochs": float("nan")}, "trainer.max_epochs=nan"),
        ({"trainer.max_epochs": "many"}, "trainer.max_epochs=many"),
        ({"optimizer.lr": [1]}, "optimizer.lr=[1]"),
        ({"seed": "???"}, "seed"),
    ],
)
def test_it_may_ask_for_what_a_run_directory_may_and_no_more(run, changes, told):
    assert told in refusal(run(changes))


@pytest.mark.parametrize("key", ["seed", "stages", "runner.plugins", "checkpoint", "name", "optimizer"])
def test_what_it_lacks_is_named(run, key):
    assert key in refusal(run(without=[key]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "model=null: a run needs one"),
        ("- a\n", "not a mapping"),
        ("a: [", "damaged"),
        ("a: &a [*a]", "refers to itself"),
        ("\x00\x01", "damaged"),
        ("a: " + "[" * 5000, "nested deeper"),
        ("? [a, b]\n: c\n", "damaged"),
        ("a: !!python/object/apply:os.system ['true']\n", "damaged"),
    ],
)
def test_what_is_no_configuration_is_refused(run, text, told):
    assert told in refusal(run(text=text))


def test_what_a_person_types_may_lie_anywhere(run):
    record = run({"logger.csv.path": "/tmp/mine.csv"})
    refusal(record)
    with recorded_config(record, typed=["logger.csv.path"]) as config:
        assert config.logger.csv.path == "/tmp/mine.csv"


def test_a_key_that_a_version_did_not_write_is_named(run):
    told = r"config.yaml: damaged, or of another version"
    with pytest.raises(RunnerError, match=told), recorded_config(run()) as config:
        assert config.section_of_the_future


@pytest.mark.parametrize("command", ["resume", "predict", "reproduce", "export-weights"])
def test_every_command_that_reads_one_judges_it(run, capsys, command):
    record = run({"logger.csv.path": "/etc/profile"})
    (record.path / "result.json").write_text("{}")
    assert main([command, str(record.path)]) == 2
    assert "logger.csv.path=/etc/profile: lies outside of the run directory" in capsys.readouterr().err


def test_settings_of_hydra_in_recorded_overrides_are_left_out():
    texts = ["hydra.run.dir=x", "+hydra.x=1", "++hydra.searchpath=[pkg://x]", "~hydra.sweep", "hydra/launcher=evil"]
    assert own([*texts, "model=mlp", "hydrant=1"]) == ["model=mlp", "hydrant=1"]


@pytest.mark.parametrize("text", ["a: 1", "- [1]", "- {a: b}", "{", "- &a x\n- [*a]", "\x00", "5"])
def test_recorded_overrides_are_a_list_of_texts(run, text):
    record = run()
    (record.path / "overrides.yaml").write_text(text)
    with pytest.raises(RunnerError, match=r"overrides\.yaml: cannot be read"):
        record.overrides()


VALUES = st.sampled_from(
    [None, True, -1, 1.5, float("nan"), "x", "/x", "${x}", "???", "", [], [None], {}, {"_target_": "os.system"}, 10**30]
)


@settings(
    max_examples=20,
    derandomize=True,
    database=None,
)
@given(st.data())
def test_any_value_anywhere_is_taken_or_refused_in_a_sentence(run, good, data):
    keys = [*good, *(f"{one}.{two}" for one, section in good.items() if isinstance(section, dict) for two in section)]
    record = run({data.draw(st.sampled_from(keys)): data.draw(VALUES)})
    try:
        with recorded_config(record):
            pass
    except RunnerError as error:
        assert "config.yaml" in str(error)


def test_what_it_reads_elsewhere_is_said_beforehand(run, capsys):
    record = run({"data.root": "/home/of/somebody", "data.cache": "../cache", "checkpoint": "outputs/mine"})
    with recorded_config(record) as config:
        tell_places(config)
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "recorded: data.cache=../cache",
        "recorded: data.root=/home/of/somebody",
    ]


def test_resuming_says_what_is_read(run, capsys):
    record = run({"data.root": "/home/of/somebody\x1b[2J"})
    with pytest.raises(RunnerError, match="stop here"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.run.going_on.do", stopping)
        go_on(record.path)
    assert "recorded: data.root=/home/of/somebody\\x1b[2J\n" in capsys.readouterr().err


def stopping(*_, **__):
    raise RunnerError("stop here")
