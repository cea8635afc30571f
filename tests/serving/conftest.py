"""One exported run and one server process for all tests of this folder."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.cli.main import main

SMALL = (
    "model=mlp",
    "model.hidden=[16]",
    "data=digits",
    "augmentation=none",
    "trainer.max_epochs=3",
    "optimizer.lr=0.01",
)
EXPORT = ("stages=[fit,test,export]", "export.formats=[onnx]", "trainer=cpu", "logger=none", "benchmark.runs=1")


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A server process, by its address."""

    process: "subprocess.Popen[str]"
    port: int
    said: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: Any = None, type_: str | None = None, **headers: str) -> Answer:
        """GET, or POST of bytes or of a value as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        heads = {key.replace("_", "-"): value for key, value in headers.items()}
        if data is not None:
            heads["Content-Type"] = type_ or "application/json"
        request = urllib.request.Request(self.address + path, data, heads)
        try:
            with urllib.request.urlopen(request, timeout=60) as found:
                return Answer(found.status, found.headers, found.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def start(*arguments: str, module: str = "runner", cwd: Path | None = None, **environment: str) -> Server:
    """A server on a free port, once it is ready."""
    command = [sys.executable, "-m", module, *arguments, "--port", "0"]
    settings = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=cwd, env=settings)
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Serving at"):
            return Server(process, int(line.split(":")[2].split("/")[0]), said)
    raise AssertionError(f"The server ended with {process.wait()}.")


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Path:
    """A run of a small network with an ONNX file."""
    path = tmp_path_factory.mktemp("exported") / "run"
    assert main([*SMALL, *EXPORT, f"hydra.run.dir={path}"]) == 0
    return path


@pytest.fixture(scope="session")
def server(exported) -> Iterator[Server]:
    """A server over it under two names, with limits that tests reach soon; it is stopped in the end, and drains."""
    options = ["--max-body", "1", "--max-pixels", "100000", "--max-files", "3", "--picture-formats", "png,jpeg"]
    started = start("serve", f"digits={exported}", f"other={exported / 'artifacts' / 'float.onnx'}", *options)
    yield started
    assert started.stop() == 0
