"""Files of others are measured before they are put together: neither anchors nor interpolations may repeat for ever."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.config.compose import compose
from runner.config.growth import Expansion, refuse_growth
from runner.errors import RunnerError


@pytest.fixture
def choice(tmp_path):
    """`choice("a: 1")` writes an experiment `theirs` in a directory of its own, and returns that directory."""

    def write(text):
        (tmp_path / "experiment").mkdir()
        (tmp_path / "experiment" / "theirs.yaml").write_text(f"# @package _global_\n{text}\n")
        return str(tmp_path)

    return write


def doubling(levels, reference="${batch_norm.b%d}"):
    lines = ["batch_norm:", "  b0: xxxxxxxxxx"]
    return "\n".join([*lines, *(f"  b{n}: '{reference % (n - 1) * 10}'" for n in range(1, levels))])


def listing(levels):
    tens = [", ".join([f"'${{batch_norm.b{n}}}'"] * 10) for n in range(levels - 1)]
    lines = [f"  b{n}: [{ten}]" for n, ten in enumerate(tens, 1)]
    return "\n".join(["batch_norm:", "  b0: [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]", *lines])


@pytest.mark.parametrize(
    "text",
    [
        doubling(12),
        doubling(12, "${.b%d}"),
        doubling(12, "${oc.select:batch_norm.b%d}"),
        doubling(12, "${batch_norm.${batch_norm.k%d}}") + "".join(f"\n  k{n}: b{n}" for n in range(12)),
        doubling(12, "${batch_norm[b%d]}"),
        doubling(12, "${oc.decode:'${batch_norm.b%d}'}".replace("'", "")),
        listing(12),
    ],
    ids=["keys", "relative", "select", "nested", "brackets", "decode", "lists"],
)
def test_interpolations_that_repeat_each_other_are_refused(choice, text):
    with pytest.raises(RunnerError, match="would grow to more than"):
        compose(["experiment=theirs"], choice(text))


def test_anchors_that_repeat_each_other_are_refused_by_file(choice):
    lines = ["batch_norm:", "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(RunnerError, match=r"theirs\.yaml: it holds more than 500,000 values once its anchors"):
        compose(["experiment=theirs"], choice("\n".join(lines)))


def test_usual_interpolations_pass(choice):
    text = "batch_norm:\n  recalibrate: true\noptimizer:\n  lr: ${oc.decode:${my}}\nmy: '0.5'\n"
    with pytest.raises(RunnerError) as error:  # a key that nothing reads, and no more
        compose(["experiment=theirs"], choice(text))
    assert "my: there is no such" in str(error.value) and "grow" not in str(error.value)


def test_what_leads_back_to_itself_ends():
    refuse_growth(OmegaConf.create({"a": "${b}", "b": "${a}", "c": "${c}", "d": ["${d}"], "e": "${.e}"}))


KEYS = ("a", "b", "c.x", "c.y", "d.0")
VALUE = st.lists(st.sampled_from([*(f"${{{key}}}" for key in KEYS), "text", "-"]), max_size=3).map("".join)


@settings(max_examples=150, derandomize=True, database=None)
@given(VALUE, VALUE, VALUE, VALUE, VALUE)
def test_a_value_is_as_long_as_omegaconf_makes_it(a, b, x, y, first):
    config = OmegaConf.create({"a": a, "b": b, "c": {"x": x, "y": y}, "d": [first]})
    try:
        resolved = OmegaConf.to_container(config, resolve=True)
    except (OmegaConfBaseException, RecursionError):
        return
    length = sum(map(len, [resolved["a"], resolved["b"], *resolved["c"].values(), *resolved["d"]]))
    assert Expansion(OmegaConf.to_container(config)).total() == length
