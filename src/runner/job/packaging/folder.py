"""The folder: model, description, code, requirements, Dockerfile, card, and a request to try."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

from runner.compression.files.sessions import SESSIONS
from runner.errors import RunnerError
from runner.files import write_json, write_text
from runner.job.packaging import requirements
from runner.job.packaging.card import card
from runner.job.packaging.sources import SOURCE, needed
from runner.serving.__main__ import DESCRIPTION
from runner.serving.description import Description, unpacked
from runner.serving.pool import Served
from runner.tracking.result import RunResult

# What runs in the folder, and in its workers.
PROGRAMS = ("serving.__main__", "serving.worker", "serving.metrics")
MODEL = "model"
# Numbers of an example request that are sent as they are.
FORMS: dict[str, Any] = {"text": {"texts": ["Müller"]}}
DOCKERFILE = Template("""\
# Two stages, so that the image holds neither pip's cache nor a compiler.
FROM python:$python-slim AS packages
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --no-deps $hashes-r requirements.txt

FROM python:$python-slim
RUN useradd --create-home --uid 10001 runner
COPY --from=packages /venv /venv
WORKDIR /app
COPY runner/ runner/
COPY model/ model/
USER runner
ENV PATH=/venv/bin:$$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \\
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
CMD ["python", "-m", "runner.serving", "model", "--host", "0.0.0.0"]
""")
README = Template("""\
# $name

$card

Here:

    python -m venv venv && venv/bin/pip install --no-deps $hashes-r requirements.txt
    venv/bin/python -m runner.serving model
    $request

In a container:

    docker build -t $name . && docker run --rm -p 127.0.0.1:8080:8080 --read-only --tmpfs /tmp $name
""")


def write(output: Path, served: Served, result: RunResult, environment: dict[str, Any], *, offline: bool) -> list[str]:
    """Write everything into a new folder; return what to tell about it.

    Raises:
        RunnerError: the model needs torch or the run's own code, or the folder is there already.
    """
    about = served.description
    if about.format not in SESSIONS or about.intake is None or about.answers is None:
        raise RunnerError(
            f"{about.file}: needs PyTorch, or data or a task of the run's own, so it can't be packaged. Export ONNX of "
            "a network over images or texts: export.formats=[onnx]; or serve the run itself: python -m runner serve."
        )
    if output.exists() and any(output.iterdir() if output.is_dir() else [output]):
        raise RunnerError(f"{output}: is there already. Name a new folder with --output, or remove it.")
    (output / MODEL).mkdir(parents=True, exist_ok=True)
    copied = copy_model(about, output / MODEL)
    write_json(output / MODEL / DESCRIPTION, copied.as_plain())
    for path in needed(*PROGRAMS):
        target = output / SOURCE.name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCE / path, target)
    sure = requirements.write(output / "requirements.txt", about.format, about.intake["kind"], offline=offline)
    hashes = "--require-hashes " if sure else ""
    python = ".".join(str(environment.get("python", "3.12")).split(".")[:2])
    write_text(output / "Dockerfile", DOCKERFILE.substitute(python=python, hashes=hashes))
    write_text(output / ".dockerignore", "venv\n")
    write_text(output / "MODEL_CARD.md", card(about, result, environment))
    write_json(output / "request.json", example(about))
    request = "curl -d @request.json http://127.0.0.1:8080/predict"
    text = README.substitute(name=image_name(about.name), card="See MODEL_CARD.md.", hashes=hashes, request=request)
    write_text(output / "README.md", text)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    told = "with hashes" if sure else "without hashes, for pip could not ask an index"
    return [f"{output}: {about.network} as {about.format}, {size:,} bytes; requirements {told}", f"  {request}"]


def copy_model(about: Description, folder: Path) -> Description:
    """Copy a model's files; return its description in the new place."""
    source = Path(about.file)
    beside = [source.with_suffix(".bin")] if about.format == "openvino" else []
    for each in [source, *beside]:
        shutil.copyfile(each, folder / each.name)
    return replace(about, file=source.name)


def example(about: Description) -> dict[str, Any]:
    """Return a request as JSON: what the model was checked with, where that are pixels."""
    assert about.intake is not None
    if about.intake["kind"] in FORMS:
        return dict(FORMS[about.intake["kind"]])
    assert about.check is not None
    plain, inputs = about.intake, unpacked(about.check.inputs[0])[:1]
    mean, std = ([[[each]] for each in plain[key]] for key in ("mean", "std"))
    pixels = ((inputs * std + mean) * 255).round().clip(0, 255).astype(int)
    return {"pixels": json.loads(json.dumps(pixels.tolist()))}


def image_name(name: str) -> str:
    """Return a name as Docker takes it."""
    kept = "".join(each if each.isascii() and each.isalnum() else "-" for each in name.lower())
    return kept.strip("-") or "model"
