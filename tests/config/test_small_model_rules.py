"""Teachers that cannot teach and stages in an order that cannot work are refused before anything is read."""

import pytest

from runner.config.compose import compose
from runner.errors import RunnerError


@pytest.fixture
def teacher(tmp_path) -> str:
    """A run directory, as far as rules look."""
    (tmp_path / "teacher").mkdir()
    return f"distillation.teacher={tmp_path / 'teacher'}"


def message(*overrides: str) -> str:
    with pytest.raises(RunnerError) as raised:
        compose(list(overrides))
    return str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["distillation=logits"], ["needs a teacher", "distillation.teacher=RUN_DIRECTORY", "sweep=distillation"]),
        (["distillation=logits", "distillation.teacher=nowhere"], ["nowhere: there is no such run directory or file"]),
        (["distillation=logits", "distillation.teacher=self"], ["nothing to learn from itself", "quantization=qat"]),
        (["distillation=features", "distillation.teacher=self", "quantization=qat"], ["Use distillation=logits"]),
        (["distillation=logits", "distillation.temperature=0"], ["distillation.temperature=0: must be above 0"]),
        (["distillation=logits", "distillation.share=1.5"], ["distillation.share=1.5: must be from 0 to 1"]),
        (["distillation=attention", "distillation.weight=-1"], ["distillation.weight=-1: must be at least 0"]),
        (["factorization=low_rank", "factorization.rank=0"], ["factorization.rank=0: must be above 0"]),
        (["factorization=low_rank", "factorization.energy=2"], ["factorization.energy=2: must be above 0 and up to 1"]),
        (["factorization=depthwise", "factorization.multiplier=0"], ["factorization.multiplier=0: must be at least 1"]),
        (["stages=[fit,factorize]"], ["The stage factorize needs a recipe: add factorization=low_rank"]),
        (
            ["factorization=low_rank", "quantization=ptq_static", "stages=[fit,compress,factorize]"],
            ["compress, factorize cannot follow on each other in this order; use prune, factorize, compress"],
        ),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(overrides, words):
    told = message(*overrides)
    for each in words:
        assert each in told


def test_a_program_has_no_layers_to_compare(tmp_path):
    program = tmp_path / "float.pt2"
    program.touch()
    assert "a program has no layers" in message("distillation=attention", f"distillation.teacher={program}")


def test_rounding_factorizing_and_a_teachers_directory_are_welcome(teacher):
    for overrides in (
        ["distillation=logits", "distillation.teacher=self", "quantization=qat"],
        ["distillation=features", "distillation.teacher=self", "factorization=depthwise"],
        ["distillation=attention", teacher],
    ):
        assert compose(overrides).config.distillation.kind == overrides[0].partition("=")[2]


def test_the_task_says_what_outputs_mean(teacher):
    asked = {"digits": "classes", "diabetes": "values", "hours": "binary"}
    found = {data: compose([f"data={data}", "distillation=logits", teacher]).config for data in asked}
    assert {data: config.distillation.recipe.outputs for data, config in found.items()} == asked


def test_stages_and_name_say_what_is_made():
    config = compose(["model=resnet", "factorization=low_rank", "quantization=ptq_static"]).config
    assert list(config.stages)[:6] == ["fit", "test", "factorize", "test", "compress", "test"]
    assert config.name == "resnet-digits-low_rank-ptq_static"
