"""Students of a sweep share a teacher, which is trained before them and once."""

import json
from pathlib import Path

import pytest

from runner.errors import RunnerError
from runner.sweep.plan import plan

PRESET = ["sweep=distillation", 'sweep.teacher=["model=resnet"]', "data=digits", "model=cnn"]

LONGER = 'sweep.teacher=["trainer.max_epochs=9"]'


def planned(*texts: str):
    return plan(texts, None).jobs


def test_the_teacher_comes_before_its_students_and_only_they_wait_for_it():
    jobs = planned(*PRESET, "seed=1,2")
    assert [job.differs for job in jobs] == [
        ["seed=1", "distillation=none"],
        ["model=resnet"],
        ["seed=1", "distillation=logits"],
        ["seed=2", "distillation=none"],
        ["seed=2", "distillation=logits"],
    ]
    assert [job.needs for job in jobs] == [None, None, 1, None, 1]
    assert not any(job.mistakes for job in jobs)


def test_teachers_are_trained_like_their_students_but_for_what_only_students_have():
    texts = ["optimizer.lr=0.01", "model.channels=[4,8]", "quantization=qat", "distillation.temperature=2,8", "seed=3"]
    jobs = planned(*PRESET[:3], "distillation=logits", *texts)
    teachers = [job for job in jobs if job.needs is None]
    assert [job.overrides for job in teachers] == [["data=digits", "optimizer.lr=0.01", "model=resnet"]]
    assert len(jobs) == 3


def test_every_data_set_has_a_teacher_of_its_own():
    jobs = planned("sweep=distillation", "data=digits,fake_names", LONGER, "seed=1")
    teachers = [job for job in jobs if "trainer.max_epochs=9" in job.overrides]
    assert [job.overrides[0] for job in teachers] == ["data=digits", "data=fake_names"]
    students = [job for job in jobs if job.needs is not None]
    assert [job.needs for job in students] == [job.number for job in teachers]


def test_a_student_with_a_teacher_of_its_own_waits_for_nobody(tmp_path):
    jobs = planned(*PRESET, "seed=1", f"distillation.teacher={tmp_path}", "distillation=logits")
    assert [job.needs for job in jobs] == [None]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["sweep.train_once=true"], r"sweep.teacher and sweep.train_once exclude each other"),
        (["sweep.teacher=[resnet]"], r"sweep.teacher: resnet: neither a command nor key=value"),
    ],
)
def test_settings_that_cannot_work_are_refused(texts, message):
    with pytest.raises(RunnerError, match=message):
        planned(*PRESET, *texts)


def test_students_learn_from_the_run_of_their_sweep(sweep, jobs, tmp_path):
    assert sweep("distillation=logits", "distillation.share=1.0", LONGER, "callbacks.checkpoint.every_n_epochs=1") == 0
    (done,) = tmp_path.rglob("sweep.json")
    teacher, student = (json.loads((done.parent / str(number) / "result.json").read_text()) for number in (0, 1))
    assert Path(student["settings"]["distillation.teacher"]).resolve() == Path(teacher["run_directory"])
    assert [job["state"] for job in jobs()] == ["done", "done"]
    assert jobs()[1]["overrides"][-1] == "distillation.teacher=sweep"
    assert (teacher["settings"]["trainer.max_epochs"], student["settings"]["trainer.max_epochs"]) == (9, 2)
