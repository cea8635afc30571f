"""One composer: whatever Hydra makes of a command line, a run and every job of a sweep get exactly that."""

from typing import Any

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from runner.cli.main import main
from runner.config import catalog, overrides
from runner.config.compose import Composer, compose, composition
from runner.config.rules import REFUSALS
from runner.sweep.execution import Execution
from runner.sweep.plan import plan
from runner.sweep.record import Sweep
from runner.tracking.identity import AROUND_RUNS

CHOICES = (
    "model=mlp",
    "model=cnn",
    "data=digits",
    "data=[digits]",
    "optimizer=sgd",
    "scheduler=[]",
    "~scheduler",
    "pruning=channel",
    "quantization=ptq_static",
    "data=karate",
    "data=line",
    "recipe=tables",
    "data/sampling=full",
    "+task@second=classification",
    "task@second=classification",
    "experiment=linear_regression",
    "++model=mlp",
    "+model=mlp",
    "~model=cnn",
)
KEYS = (
    "seed",
    "optimizer.lr",
    "pruning.ratio",
    "trainer.max_epochs",
    "data.root",
    "model.nothing",
    "callbacks",
    "fresh",
    "hydra.run.dir",
    "hydra.job.name",
)
VALUES = (
    "1",
    "1e-3",
    "-.inf",
    "true",
    "null",
    "text",
    "'quoted, (text)'",
    '"it\'s = {quoted}"',
    r"a\,b",
    r"'it\'s'",
    "[1,2e-1,[x,y]]",
    "{a: 1, b: [c, {d: null}]}",
    "{}",
    "[]",
    "${seed}",
    "${optimizer.lr}",
    "'${hydra:runtime.choices.model}-x'",
    "",
)
lines = st.lists(
    st.one_of(
        st.sampled_from(CHOICES),
        st.builds(
            lambda mark, key, value: f"{mark}{key}={value}",
            st.sampled_from(("", "", "", "+", "++", "~")),
            st.sampled_from(KEYS),
            st.sampled_from(VALUES),
        ),
        st.sampled_from(("~seed", "~optimizer.lr", "~fresh", "expected={value: 0.3}", "+expected={more: 1}")),
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(catalog.config_directories())


def by_hydra(texts: list[str]) -> tuple[Any, Any, dict[str, str]] | None:
    """What Hydra composes by itself: unresolved, resolved, and the choices; None where it refuses."""
    try:
        with initialize_config_dir(str(catalog.own_config_directory()), version_base="1.3"):
            whole = hydra_compose("config", texts, return_hydra_config=True)
    except REFUSALS:
        return None
    HydraConfig.instance().set_config(whole)
    choices = {
        group: str(choice)
        for group, choice in whole.hydra.runtime.choices.items()
        if choice is not None
        and not group.startswith("hydra/")
        and group not in AROUND_RUNS
        and not str(choice).startswith("_")  # those follow from others and are in no list of choices
    }
    kept = OmegaConf.masked_copy(whole, [key for key in whole if key not in ("hydra", *AROUND_RUNS)])
    return OmegaConf.to_container(kept), resolved(kept), choices


def resolved(node: Any) -> Any:
    """The container resolved; None where an interpolation leads nowhere."""
    try:
        return OmegaConf.to_container(node, resolve=True)
    except REFUSALS:
        return None


def without_hydras(node: Any, reference: Any) -> Any:
    """`node` with what reads Hydra's node as the reference has it: the composer freezes that, Hydra does not."""
    if isinstance(reference, str) and "${hydra:" in reference:
        return reference
    if isinstance(node, dict) and isinstance(reference, dict):
        return {key: without_hydras(value, reference.get(key)) for key, value in node.items()}
    if isinstance(node, list) and isinstance(reference, list) and len(node) == len(reference):
        return [without_hydras(*pair) for pair in zip(node, reference, strict=True)]
    return node


@settings(
    max_examples=30,
    derandomize=True,
    database=None,
)
@given(texts=lines)
def test_hydra_composes_the_same(composer: Composer, texts: list[str]) -> None:
    check_line(composer, texts)


@pytest.mark.parametrize(
    "texts",
    [
        ["experiment=linear_regression", "optimizer.lr=1e-3", "+fresh={a: 1}", "fresh.b=2"],
        ["+task@second=classification"],
        ["pruning=channel", "expected={metric: a}", "expected={value: 3}", "model=mlp"],
        ["~optimizer.lr", "+optimizer.lr=${seed}"],
        ["data=karate", "data/sampling=cluster", "model=gcn", "seed=3"],
        ["+fresh={a: 1}", "++fresh={b: [x, 'y, z']}", "~fresh.a=1"],
        ["~seed=5"],
        ["data=karate", "optimizer=sgd"],
        ["data=hello", "optimizer.lr=7"],
        ["data=line", "recipe=one_graph", "model=mlp"],
        ["~optimizer"],
        ["experiment=cora_gat", "recipe=usual"],
        ["++model=mlp"],
        ["model=mlp", "+fresh='${hydra:runtime.choices.model}-x'", "+again=${hydra:job.override_dirname}"],
    ],
)
def test_hydra_composes_these_the_same(composer: Composer, texts: list[str]) -> None:
    check_line(composer, texts)


def check_line(composer: Composer, texts: list[str]) -> None:
    """Hold the composer equal to Hydra: it may refuse more (unknown names), never less."""
    parsed, mistakes = overrides.parse(texts)
    composed, found = composer.apply(parsed)
    expected = by_hydra(texts)
    if expected is None:
        assert mistakes or found, texts
        return
    if mistakes or found:
        return
    assert composed is not None
    assert composed.chosen == expected[2]
    container = OmegaConf.to_container(composed.config)
    raw = {key: value for key, value in expected[0].items() if key != "name"}
    assert without_hydras({k: v for k, v in container.items() if k != "name"}, raw) == raw  # type: ignore[union-attr]
    if expected[1] is not None:
        assert resolved(composed.config) == expected[1]


def test_a_job_is_composed_alike_in_this_process_and_in_another(tmp_path: Any) -> None:
    texts = ["model=mlp,cnn", "pruning=channel", "seed=1,2", "expected.metric='val/${hydra:runtime.choices.model}'"]
    planned = plan([*texts, f"hydra.sweep.dir={tmp_path}"], None)
    record = Sweep(tmp_path, planned.command)
    assert len(planned.jobs) == 4
    execution = Execution(planned, record, launcher=None)  # type: ignore[arg-type]
    for job in (planned.jobs[0], planned.jobs[3]):
        work = execution.work(job)
        assert work.composed is not None
        apart = compose(work.arguments)
        assert work.composed.plain == apart.plain
        assert OmegaConf.to_yaml(work.composed.config) == OmegaConf.to_yaml(apart.config)
        assert work.composed.chosen == apart.chosen
        assert apart.run_directory == work.directory


@pytest.mark.parametrize("text", ["model=glob(zzz*)", "seed=range(3,3)"])
def test_a_sweep_of_no_runs_is_a_mistake(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-m", text]) == 2
    assert f"error: {text}: " in (said := capsys.readouterr().err)
    assert "there are 0 runs" in said


def test_a_composition_is_kept_as_long_as_its_files(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second composer does not compose the same again, reads what was changed, and knows where it is."""
    file = tmp_path / "optimizer" / "own.yaml"
    file.parent.mkdir()
    text = "# Own.\n# run: optimizer=own\n# expect: nothing.\n_target_: torch.optim.SGD\nlr: {}\n"

    def lr_and_place() -> tuple[float, str]:
        composer = Composer(catalog.config_directories(str(tmp_path)))
        whole = composer.merge(overrides.parse(["optimizer=own", "expected.metric='${hydra:runtime.cwd}'"])[0], [])
        return whole.optimizer.lr, whole.expected.metric

    file.write_text(text.format(0.5))
    monkeypatch.chdir(tmp_path)
    assert lr_and_place() == (0.5, str(tmp_path))
    monkeypatch.chdir(file.parent)
    composed = composition.cache_info().misses
    assert lr_and_place() == (0.5, str(file.parent))
    assert composition.cache_info().misses == composed
    file.write_text(text.format(0.25))
    assert lr_and_place() == (0.25, str(file.parent))
