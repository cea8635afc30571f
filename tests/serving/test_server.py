"""A server over an exported run: what it answers, and what it refuses; one process for all claims."""

import base64
import http.client
import io
import json
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from runner.cli.main import main

pytest.importorskip("fastapi", reason="the extra serve is not installed")


def picture(number: int, size: int = 28, form: str = "PNG") -> bytes:
    """A digit as a file."""
    pixels = (load_digits().images[number] * (255 / 16)).round().astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC).save(content, form)
    return content.getvalue()


def form(*files: bytes) -> tuple[bytes, str]:
    """Files as a browser sends them: the body and its type."""
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="%d.png"\r\nContent-Type: image/png\r\n\r\n'
        % place
        + content
        for place, content in enumerate(files)
    ]
    return b"\r\n".join([*parts, b"--x--\r\n"]), "multipart/form-data; boundary=x"


@pytest.fixture(scope="module")
def session(exported):
    return onnxruntime.InferenceSession(str(exported / "artifacts" / "float.onnx"), providers=["CPUExecutionProvider"])


def logits(session, pixels):
    """What ONNX Runtime answers to pixels from 0 to 255, normalised as the data says."""
    inputs = ((np.asarray(pixels, np.float32).reshape(-1, 1, 28, 28) / 255 - 0.3117) / 0.3561).astype(np.float32)
    return session.run(None, {session.get_inputs()[0].name: inputs})[0]


def test_files_get_what_predict_says(server, exported, tmp_path, capsys):
    files = [picture(number) for number in (-1, -2, -3)]
    answer = server.ask("/predict/digits", *form(*files))
    assert answer.status == 200
    paths = [tmp_path / f"{place}.png" for place in range(3)]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    output = tmp_path / "rows.csv"
    assert main(["predict", str(exported / "artifacts" / "float.onnx"), *map(str, paths), "-o", str(output)]) == 0
    rows = [line.split(",") for line in output.read_text().splitlines()[1:]]
    found = answer.json["predictions"]
    assert [each["input"] for each in found] == ["0.png", "1.png", "2.png"]
    assert [each["prediction"] for each in found] == [row[1] for row in rows]
    assert [each["probability"] for each in found] == pytest.approx([float(row[2]) for row in rows], abs=1e-6)
    assert all(len(each["probabilities"]) == 5 for each in found)


def test_numbers_and_base64_are_pictures_too(server, session):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 784))
    outputs = logits(session, pixels)
    found = server.ask("/predict/other", {"pixels": pixels.tolist()}).json["predictions"]
    assert [int(each["prediction"]) for each in found] == outputs.argmax(1).tolist()
    text = base64.b64encode(picture(-1)).decode()
    one = server.ask("/predict/other", {"images": [text]}).json["predictions"][0]
    two = server.ask("/predict/other", picture(-1), "image/png").json["predictions"][0]
    assert one["probabilities"] == two["probabilities"]


def test_the_open_inference_protocol_gives_the_file_s_own_numbers(server, session):
    told = server.ask("/v2/models/digits").json
    assert told["inputs"] == [{"name": "inputs", "datatype": "FP32", "shape": [-1, 1, 28, 28]}]
    assert told["outputs"] == [{"name": "outputs", "datatype": "FP32", "shape": [-1, 10]}]
    inputs = np.random.default_rng(1).normal(size=(3, 1, 28, 28)).astype(np.float32)
    wanted = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    tensor = {"name": "inputs", "datatype": "FP32", "shape": [3, 1, 28, 28]}
    answer = server.ask("/v2/models/digits/infer", {"id": "7", "inputs": [{**tensor, "data": inputs.tolist()}]}).json
    assert answer["id"] == "7"
    assert answer["outputs"][0]["shape"] == [3, 10]
    assert answer["outputs"][0]["data"] == pytest.approx(wanted.ravel().tolist(), rel=1e-5, abs=1e-5)
    head = {"inputs": [{**tensor, "parameters": {"binary_data_size": inputs.nbytes}}]}
    text = json.dumps({**head, "parameters": {"binary_data_output": True}}).encode()
    heads = {"Inference-Header-Content-Length": str(len(text))}
    raw = server.ask("/v2/models/digits/infer", text + inputs.tobytes(), "application/octet-stream", **heads)
    length = int(raw.headers["inference-header-content-length"])
    assert json.loads(raw.body[:length])["outputs"][0]["parameters"] == {"binary_data_size": 120}
    assert np.frombuffer(raw.body[length:], np.float32) == pytest.approx(wanted.ravel(), rel=1e-5, abs=1e-5)


def test_a_public_client_of_the_protocol_works(server, session):
    client = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
    inputs = np.random.default_rng(2).normal(size=(2, 1, 28, 28)).astype(np.float32)
    with client.InferenceServerClient(f"127.0.0.1:{server.port}") as asked:
        assert asked.is_server_live() and asked.is_server_ready() and asked.is_model_ready("digits")
        tensor = client.InferInput("inputs", inputs.shape, "FP32")
        for binary in (True, False):
            tensor.set_data_from_numpy(inputs, binary_data=binary)
            found = asked.infer(
                "digits", [tensor], outputs=[client.InferRequestedOutput("outputs", binary_data=binary)]
            )
            wanted = session.run(None, {session.get_inputs()[0].name: inputs})[0]
            assert found.as_numpy("outputs") == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_it_says_what_it_serves(server):
    (digits, other) = server.ask("/").json["models"]
    assert (digits["name"], digits["task"], digits["format"], digits["takes"]) == (
        "digits",
        *("classification", "onnx", "image"),
    )
    assert digits["classes"] == list("0123456789")
    assert digits["metrics"]["test/accuracy"] > 0.8
    assert other["about"] == "as it was asked for"
    page = server.ask("/", Accept="text/html,application/xhtml+xml")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http" not in page.body.decode().replace("http://www.w3.org/2000/svg", "")  # no address but its own
    assert server.ask("/health").json == {"status": "ready", "models": {"digits": "ready", "other": "ready"}}
    assert server.ask("/openapi.json").json["paths"].keys() >= {"/predict", "/v2/models/{name}/infer"}


TENSOR = {"name": "inputs", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": [0] * 784}


REFUSED = [
    ("/predict", {"pixels": [[0] * 784]}, None, 400, "Several models are served"),
    ("/predict/third", {"pixels": [[0] * 784]}, None, 404, "There is no model third. There are digits, other."),
    ("/predict/digits", b"", None, 400, "The request is empty"),
    ("/predict/digits", b'{"pixels": [', None, 400, "no JSON"),
    ("/predict/digits", b"[" * 90_000, None, 400, "no JSON"),
    ("/predict/digits", [1], None, 400, "must be a JSON object"),
    ("/predict/digits", {"rows": []}, None, 400, "base64 of a file"),
    ("/predict/digits", {"pixels": [["a"] * 784]}, None, 400, "not an array of numbers"),
    ("/predict/digits", {"pixels": [[1, 2]]}, None, 400, "784 numbers from 0 to 255"),
    ("/predict/digits", {"pixels": [[256] * 784]}, None, 400, "outside of 0 to 255"),
    ("/predict/digits", b'{"pixels": [' + b"NaN," * 783 + b"NaN]}", None, 400, "outside of 0 to 255"),
    ("/predict/digits", b"just words", "image/png", 400, "no picture in one of the formats PNG, JPEG"),
    ("/predict/digits", picture(0, form="GIF"), "image/gif", 400, "no picture in one of the formats PNG, JPEG"),
    ("/predict/digits", picture(0)[:80], "image/png", 400, "can't be read as an image"),
    ("/predict/digits", picture(0, 400), "image/png", 400, "has 400 x 400 pixels; at most 0.1 million"),
    ("/predict/digits", *form(*[picture(0)] * 4), 400, "Too many files"),
    ("/predict/digits", b"--x--\r\n", "multipart/form-data; boundary=x", 400, "holds no file"),
    ("/v2/models/third/infer", {}, None, 404, "There is no model third"),
    ("/v2/models/digits/infer", {}, None, 400, "inputs FP32 [-1, 1, 28, 28]"),
    ("/v2/models/digits/infer", {"inputs": [{**TENSOR, "name": "x"}]}, None, 400, "inputs: x. Expected inputs"),
    ("/v2/models/digits/infer", {"inputs": [TENSOR] * 2}, None, 400, "inputs: twice inputs"),
    (
        "/v2/models/digits/infer",
        {"inputs": [{**TENSOR, "datatype": "INT8"}]},
        None,
        400,
        "INT8 [1, 1, 28, 28]. Expected",
    ),
    ("/v2/models/digits/infer", {"inputs": [{**TENSOR, "shape": [1, 784]}]}, None, 400, "FP32 [1, 784]. Expected"),
    ("/v2/models/digits/infer", {"inputs": [{**TENSOR, "data": [0]}]}, None, 400, "1 values"),
    ("/v2/models/digits/infer", {"inputs": [TENSOR], "outputs": [{"name": "y"}]}, None, 400, "There are outputs"),
]


@pytest.mark.parametrize(("path", "body", "type_", "status", "words"), REFUSED, ids=[each[-1][:25] for each in REFUSED])
def test_what_it_refuses_it_says_why(server, path, body, type_, status, words):
    answer = server.ask(path, body, type_)
    assert answer.status == status
    assert words in answer.body.decode()
    assert server.ask("/health").status == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest("POST", "/predict/digits")
    connection.putheader("Content-Length", str(2**20 + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_killed_worker_is_replaced_and_counted(server):
    def children(pid):
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    before = children(server.process.pid)
    os.kill(min(before), signal.SIGKILL)
    body = {"pixels": [[0] * 784]}
    # Whoever asks in between waits for the next worker, or is told to ask again; nobody hangs.
    for name in ("digits", "other"):
        answer = server.ask(f"/predict/{name}", body)
        assert answer.status == 200 or (answer.status, answer.headers["retry-after"]) == (503, "1")
    until = time.monotonic() + 60
    while server.ask("/health").status != 200 and time.monotonic() < until:
        pass
    assert server.ask("/predict/digits", body).status == server.ask("/predict/other", body).status == 200
    text = server.ask("/metrics").body.decode()
    assert 'runner_worker_restarts_total{model="digits"} 1.0' in text
    assert 'runner_requests_total{route="/predict/{name}",status="400"}' in text
    for name in ("runner_request_seconds_bucket", "runner_batch_requests_bucket", "runner_queue_requests"):
        assert name in text


def test_a_request_that_breaks_off_hurts_nobody(server):
    for part in (
        b"POST /predict/digits HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{",
        b"nonsense\r\n\r\n",
        b"\x00" * 99,
    ):
        with socket.create_connection(("127.0.0.1", server.port)) as broken:
            broken.sendall(part)
    assert server.ask("/predict/digits", {"pixels": [[0] * 784]}).status == 200
