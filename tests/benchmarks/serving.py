"""Serving on loopback: requests a second and latency, batches or none, and a minute of good and bad requests."""

import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from runner.compression.files.sessions import onnx_session

SECONDS, LOAD_SECONDS = 5.0, float(os.environ.get("RUNNER_LOAD_SECONDS", "60"))
LEAST_RATE, MOST_P99_MS, MOST_ADDED_MS = 1500, 5.0, 1.0
RUN = ("model=cnn", "data=digits", "augmentation=none", "trainer.max_epochs=1", "trainer=cpu", "logger=none")
STAGES = ("stages=[fit,test,export]", "export.formats=[onnx]")
IMAGES = ("model=torchvision", "model.name=resnet18", "data=digits", "data.image_size=224", "data.batch_size=16")
INT8 = (
    "quantization=ptq_static",
    "stages=[fit,compress,export]",
    "export.formats=[onnx]",
    "trainer=cpu",
    "logger=none",
)
# Weights as they come: only the time is looked at.
INT8 += ("logger=none", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1")


def trained(folder: Path, *overrides: str) -> Path:
    """A run with an ONNX file, in `folder`."""
    command = [sys.executable, "-m", "runner", *overrides, f"hydra.run.dir={folder}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


@contextlib.contextmanager
def serving(run: Path, *options: str, core: int | None = None) -> Iterator[tuple[int, int]]:
    """A server over a run, pinned to a core: its port and the number of its process."""
    command = [sys.executable, "-m", "runner", "serve", str(run), "--port", "0", *options]
    pinned = None if core is None else lambda: os.sched_setaffinity(0, {core})
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=pinned) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Serving at"):
                    break
            yield int(line.split(":")[2].split("/")[0]), process.pid
        finally:
            process.terminate()


def request(path: str, body: bytes, type_: str = "application/json", heads: str = "") -> bytes:
    """A request as it goes over the wire."""
    start = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {type_}\r\n"
    return f"{start}Content-Length: {len(body)}\r\n{heads}\r\n".encode() + body


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> tuple[int, bytes]:
    """Sends one request on an open connection; its status and body."""
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return int(head.split()[1]), await reader.readexactly(length)


async def client(port: int, message: bytes, until: float, taken: list[float]) -> None:
    """One client that asks again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        begun = time.perf_counter()
        status, body = await exchange(reader, writer, message)
        assert status == 200, body
        taken.append(1e3 * (time.perf_counter() - begun))
    writer.close()


def measured(port: int, message: bytes, clients: int, seconds: float = SECONDS) -> tuple[float, float, float]:
    """Requests a second, and the median and 99th percentile of milliseconds."""

    async def run() -> list[float]:
        taken: list[float] = []
        until = time.perf_counter() + seconds
        await asyncio.gather(*(client(port, message, until, taken) for _ in range(clients)))
        return taken

    asyncio.run(client_for(port, message))
    taken = asyncio.run(run())
    return len(taken) / seconds, statistics.median(taken), statistics.quantiles(taken, n=100)[98]


async def client_for(port: int, message: bytes) -> None:
    """A second of requests before those that count."""
    await client(port, message, time.perf_counter() + 1, [])


def bare(path: Path, inputs: np.ndarray) -> float:
    """Median milliseconds of the artifact alone."""
    session = onnx_session(path, 1)
    taken = []
    for _ in range(2000):
        begun = time.perf_counter()
        session.run([inputs])
        taken.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(taken)


def small(run: Path) -> None:
    """An MNIST-sized network, JSON of 784 numbers, server and worker on one core."""
    pixels = np.random.default_rng(0).integers(0, 256, 784)
    body = json.dumps({"pixels": [pixels.tolist()]}).encode()
    alone = bare(run / "artifacts" / "float.onnx", np.zeros((1, 1, 28, 28), np.float32))
    with serving(run, "--threads", "1", core=0) as (port, _):
        os.sched_setaffinity(0, {1})
        rate, median, late = measured(port, request("/predict", body), 1)
        many, many_median, many_late = measured(port, request("/predict", body), 8)
        os.sched_setaffinity(0, {0, 1})
    print("serving, MNIST-sized network, JSON of 784 numbers, one core:")
    print(f"  1 client   {rate:,.0f}/s (at least {LEAST_RATE:,}), p50 {median:.2f} ms, ", end="")
    print(f"p99 {late:.2f} ms (below {MOST_P99_MS:g})")
    print(f"  added to the bare artifact ({alone:.2f} ms) at p50: {median - alone:.2f} ms (at most {MOST_ADDED_MS:g})")
    print(f"  8 clients  {many:,.0f}/s, p50 {many_median:.2f} ms, p99 {many_late:.2f} ms")


def large(run: Path) -> None:
    """ResNet-18 in int8 at 224x224, 64 clients, with batches and without."""
    inputs = np.zeros((1, 1, 224, 224), np.float32)
    head = {"inputs": [{"name": "inputs", "shape": list(inputs.shape), "datatype": "FP32"}]}
    head["inputs"][0]["parameters"] = {"binary_data_size": inputs.nbytes}
    text = json.dumps(head).encode()
    heads = f"Inference-Header-Content-Length: {len(text)}\r\n"
    rates = {}
    for batch in ("16", "1"):
        with serving(run, "--max-batch", batch, "--threads", "1", core=0) as (port, _):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                name = json.load(answer)["models"][0]["name"]
            message = request(f"/v2/models/{name}/infer", text + inputs.tobytes(), "application/octet-stream", heads)
            rates[batch] = measured(port, message, 64)[0]
    print("serving, ResNet-18 int8 at 224x224, one core, 64 clients:")
    ratio = rates["16"] / rates["1"]
    print(f"  {rates['16']:,.0f}/s in batches of up to 16, {rates['1']:,.0f}/s one by one: {ratio:.2f} times")


def main() -> None:
    """Prints figures beside what they must be."""
    with tempfile.TemporaryDirectory() as folder:
        run = trained(Path(folder) / "small", *RUN, *STAGES)
        small(run)
        asyncio.run(load(run))
        with contextlib.suppress(subprocess.CalledProcessError):
            large(trained(Path(folder) / "large", *IMAGES, *INT8))


BAD = {
    "malformed JSON": (request("/predict", b'{"pixels": [1, 2'), 400),
    "no numbers": (request("/predict", b'{"pixels": ["x"]}'), 400),
    "wrong shape": (request("/predict", b'{"pixels": [[1, 2, 3]]}'), 400),
    "no picture": (request("/predict", b"plain words", "image/png"), 400),
    "no such model": (request("/v2/models/none/infer", b"{}"), 404),
    "huge": (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
    "nested": (request("/predict", b"[" * 100_000), 400),
}


async def load(run: Path) -> None:
    """A minute of good and bad requests at once; a worker is killed in its middle."""
    with serving(run, "--workers", "2") as (port, pid):
        good = request("/predict", json.dumps({"pixels": [[7] * 784]}).encode())
        counts: Counter[str] = Counter()
        slow: list[float] = []
        await client_for(port, good)
        before, until = memory(pid), time.perf_counter() + LOAD_SECONDS
        jobs = [ask(port, good, 200, "good", until, counts) for _ in range(8)]
        jobs += [ask(port, *each, name, until, counts) for name, each in BAD.items()]
        jobs += [broken(port, good, until, counts), watched(port, until, slow), killed(pid, until)]
        await asyncio.gather(*jobs)
        after = memory(pid)
    print(f"serving, {LOAD_SECONDS:g} s of mixed requests: {dict(counts)}")
    growth = f"{before / 1e6:.0f} → {after / 1e6:.0f} MB ({after / before - 1:+.1%})"
    print(f"  /health at most {max(slow):.0f} ms (within 50); memory {growth}")


async def ask(port: int, message: bytes, wanted: int, name: str, until: float, counts: Counter[str]) -> None:
    """Asks again and again on new connections, and counts what came."""
    while time.perf_counter() < until:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(40):
                status, _ = await exchange(reader, writer, message)
            counts[name if status == wanted else f"{name}: {status}"] += 1
            writer.close()
        except (OSError, EOFError) as error:
            counts[f"{name}: {type(error).__name__}"] += 1
        if name != "good":
            await asyncio.sleep(0.01)


async def broken(port: int, message: bytes, until: float, counts: Counter[str]) -> None:
    """Connections that end in the middle of a request."""
    while time.perf_counter() < until:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(message[: random.randrange(len(message))])
        await writer.drain()
        writer.close()
        counts["broken off"] += 1
        await asyncio.sleep(0.02)


async def watched(port: int, until: float, taken: list[float]) -> None:
    """How long /health takes meanwhile, in ms."""
    while time.perf_counter() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        begun = time.perf_counter()
        await exchange(reader, writer, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        taken.append(1e3 * (time.perf_counter() - begun))
        writer.close()
        await asyncio.sleep(0.1)


async def killed(pid: int, until: float) -> None:
    """Kills one worker half-way."""
    await asyncio.sleep(LOAD_SECONDS / 2)
    os.kill(children(pid)[0], signal.SIGKILL)


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def memory(pid: int) -> int:
    """Bytes of memory of a process and its children."""
    pages = [int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in (pid, *children(pid))]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")
