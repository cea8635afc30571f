"""A packaged run: it serves without torch and without what trains, and says what it is."""

import json
import os

import pytest

from runner.cli.main import main
from tests.serving.conftest import start

pytest.importorskip("fastapi", reason="the extra serve is not installed")
# What must never be imported there: these stand in for the installed ones, and fail.
TRAINING = ("torch", "torchvision", "pytorch_lightning", "hydra", "omegaconf", "sklearn", "pandas", "yaml")


@pytest.fixture(scope="module")
def app(exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("package") / "app"
    assert main(["package", str(exported), "--output", str(folder), "--name", "four digits", "--no-hashes"]) == 0
    return folder


def test_it_serves_alone_and_with_a_key(app, server):
    for name in TRAINING:
        (app / f"{name}.py").write_text("raise ImportError('must not be imported')\n")
    packaged = start(
        "model",
        module="runner.serving",
        cwd=app,
        PYTHONPATH=os.pathsep.join([str(app), os.environ.get("PYTHONPATH", "")]),
        RUNNER_SERVE_KEY="open sesame",
    )
    try:
        request = json.loads((app / "request.json").read_text())
        key = {"Authorization": "Bearer open sesame"}
        answer = packaged.ask("/predict", request, **key)
        wanted = server.ask("/predict/digits", request).json
        assert answer.json == {**wanted, "model": "four digits"}
        assert packaged.ask("/health").status == 200
        for heads in ({}, {"Authorization": "Bearer open"}, {"Authorization": "Basic !"}):
            assert packaged.ask("/predict", request, **heads).status == 401
        basic = {"Authorization": "Basic b25lOm9wZW4gc2VzYW1l"}  # one:open sesame, as a browser sends it
        assert packaged.ask("/", **basic).status == 200
    finally:
        assert packaged.stop() == 0


def test_its_requirements_are_exact_and_without_torch(app):
    lines = (app / "requirements.txt").read_text().splitlines()
    assert all(line.count("==") == 1 for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert names >= {"fastapi", "uvicorn", "onnxruntime", "numpy", "pillow", "starlette"}
    assert not names & {"torch", "torchvision", "hydra-core", "pandas"}


def test_its_card_and_its_image_say_what_they_must(app, exported):
    text = (app / "MODEL_CARD.md").read_text()
    result = json.loads((exported / "result.json").read_text())
    assert text.startswith("# four digits\n")
    assert f"{result['metrics']['test/accuracy']:.4f}" in text and "95 % interval" in text
    assert result["artifacts"]["float_onnx"]["sha256"] in text
    image = (app / "Dockerfile").read_text()
    assert image.count("FROM python:") == 2 and "USER runner" in image and "HEALTHCHECK" in image


def test_what_can_t_be_packaged_is_told(app, exported, capsys):
    assert main(["package", str(exported), "-o", str(app)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["package", str(exported), "-o", str(app / "new"), "--format", "weights"]) == 2
    assert "needs PyTorch" in capsys.readouterr().err
    assert not (app / "new").exists()
