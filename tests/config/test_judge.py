"""What thousands of runs come to is told from one that was composed; it is what composing each of them says."""

import itertools

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config import catalog, overrides
from runner.config.compose import Composer
from runner.config.judge import Judge, overlap, with_values
from runner.config.references import read_by

QUICK = settings(
    max_examples=60,
    derandomize=True,
    database=None,
)


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(catalog.config_directories())


def grid(composer: Composer, *texts: str) -> list[tuple[overrides.Override, ...]]:
    parsed = overrides.parse(texts)[0]
    return list(itertools.product(*(overrides.single_values(e, composer.known) if e.sweeps else [e] for e in parsed)))


@pytest.mark.parametrize(
    "texts",
    [
        ["model=mlp", "seed=1,2,3,4,-1"],  # a reference reads it, and the last one is out of range
        ["data=csv", "data.target=y", "seed=1,2,3"],  # a table that is not named
        ["data=csv", "data.target=y", "data.root=a.csv,b.csv,c.csv"],  # that are not there
        ["optimizer.lrr=1,2,3", "seed=1,x,null"],
        ["+optimizer.more=1,2,3", "++task.monitor=a,b"],
        ["optimizer.lr=0.1,fast,null,1e400,0.2"],
        ["quantization=ptq_static", "pruning=channel", "pruning.suffix=a,b", "pruning.macs=0.5,2"],
        ["scheduler=step", "scheduler.interval=epoch,step,x"],
        ["task.class_weights=null,balanced", "data.sampling=null,balanced"],
        ["task.num_outputs=1,2", "data.num_classes=10,3"],
        ["callbacks.checkpoint=5,6,7"],
        ["seed=1,2,3", "seed=4"],  # one after the other counts, so none is a sample
        ["model.hidden=[3],[4]", "name=a,b,c", "expected.metric='${name}'"],
        ["expected.metric='${hydra:job.name}'", "seed=1,2,3"],
    ],
)
def test_a_run_comes_to_what_composing_it_says(composer, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    judge = Judge(composer)
    for parsed in grid(composer, *texts):
        told, whole = judge.judge(parsed), judge.composed(parsed)
        assert told.mistakes == whole.mistakes, parsed
        assert told.plain == whole.plain
        if whole.plain is not None:
            assert told.chosen == whole.chosen


def test_after_the_first_two_nothing_is_composed(composer, monkeypatch):
    judge, composed = Judge(composer), []
    merge = composer.merge
    monkeypatch.setattr(composer, "merge", lambda *given: composed.append(given) or merge(*given))
    runs = grid(composer, "model=mlp", "optimizer.lr=0.1,-1,0.3", "seed=range(1,31)", "optimizer.lrr=1")
    found = [judge.judge(parsed).mistakes for parsed in runs]
    assert len(composed) == 2
    assert [len(each) for each in found] == [1] * 30 + [2] * 30 + [1] * 30


WORD = st.from_regex(r"[+~]{0,2}[a-zA-Z_][\w./@-]{0,6}", fullmatch=True)
VALUE = st.one_of(
    st.from_regex(r"[+-]?[0-9_.eE+-]{1,7}", fullmatch=True),
    st.from_regex(r"[\w.,:'$\\ -]{0,6}", fullmatch=True),
    st.sampled_from(["True", "NULL", "nan", "-inf", "Inf", "tRue", "null_", "_", "1e5", "-0", "0x1", "1_0", "³", "é"]),
    st.floats().map(repr),
    st.integers().map(str),
)


@QUICK
@given(key=WORD, value=VALUE)
def test_plain_words_and_numbers_are_read_as_hydra_reads_them(key, value):
    text = f"{key}={value}"
    if (quick := overrides.plain(text)) is not None:
        parsed = OverridesParser.create().parse_override(text)
        assert repr(quick) == repr(parsed)
        assert type(quick._value) is type(parsed._value)


def test_usual_words_and_numbers_need_no_parser():
    for text in ("seed=3", "optimizer.lr=1e-3", "optimizer.lr=-0.5", "a/b=c", "+x.y=2", "++model=cnn"):
        assert overrides.plain(text) is not None
    for text in (
        "a=b,c",
        "a=[1]",
        "a=null",
        "a=NaN",
        "~a=1",
        "a=01",
        "a=",
        "a=range(1,3)",
        "a=${b}",
        "a.b/c=1",
        "a=3 ",
    ):
        assert overrides.plain(text) is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("${seed}", {"seed"}),
        ("a-${b.c}${hydra:runtime.choices.model}", {"b.c"}),
        ("${stages:${pruning.stages},${a}}", {"pruning.stages", "a"}),
        ("${oc.select:a.b,1}${.near}", {"a.b", "here.near"}),
        ("${folder_classes:${data.root}}", {"data.root"}),
    ],
)
def test_what_a_reference_reads_is_known(text, read):
    assert read_by(text, ("here", "there")) == read


@pytest.mark.parametrize("text", ["${a.${b}}", "${..b}", "${oc.env:HOME}", "${oc.select:${a},1}", r"\${a}", "${a[0]}"])
def test_a_reference_that_may_read_anything_is_said_to(text):
    assert read_by(text, ("here", "there")) is None


def test_values_are_put_into_a_copy_that_shares_what_stays():
    before = {"a": {"b": 1, "c": [{"d": 2}, 3]}, "e": {"f": 4}}
    after = with_values(before, {("a", "b"): 5, ("a", "c", 0, "d"): 6})
    assert after == {"a": {"b": 5, "c": [{"d": 6}, 3]}, "e": {"f": 4}}
    assert before == {"a": {"b": 1, "c": [{"d": 2}, 3]}, "e": {"f": 4}}
    assert after["e"] is before["e"]


def test_keys_overlap_where_one_lies_in_the_section_of_another():
    assert overlap(["a.b", "c", "a"])
    assert overlap(["a", "a"])
    assert not overlap(["a.b", "a.bc", "ab"])
