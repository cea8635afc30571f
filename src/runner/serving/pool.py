"""Pool: the worker processes of one model, the requests that wait for them, and the batches they are answered in."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import RunnerError
from runner.serving import frames
from runner.serving.description import Description
from runner.serving.limits import MEGABYTE, Limits, RefusedError
from runner.serving.model import Reply, Request
from runner.serving.worker import threads_of_this_process

if TYPE_CHECKING:  # the command line looks at this module before it knows that serving's packages are there
    from runner.serving.metrics import Metrics

# The module that runs in a worker process where nothing but plain values is needed.
PLAIN = "runner.serving.worker"
# Seconds that a network may take beyond its requests' deadline before it counts as hung.
GRACE = 5.0
# Seconds between a worker's death and the next attempt, doubled each time up to the second.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# Bodies that wait may take so much memory altogether.
WAITING_BYTES = 256 * MEGABYTE


@dataclass(frozen=True)
class Served:
    """One model to serve: its description, and the module, with arguments, whose process can load it."""

    description: Description
    module: str = PLAIN
    arguments: Sequence[str] = ()


@dataclass(eq=False)
class Waiting:
    """A request that is not answered yet."""

    request: Request
    reply: "asyncio.Future[Reply]"
    arrived: float
    bytes: int


@dataclass
class Worker:
    """A process and the connection to it."""

    process: "subprocess.Popen[bytes]"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Pool:
    """Answers the requests for one model.

    Attributes:
        form, accept, columns: JSON that its reader takes, files and fields that a page offers; once it is ready.
        agreement: with the check that the file was written with, in dB; None without one.
    """

    def __init__(self, served: Served, workers: int, threads: int, limits: Limits, metrics: "Metrics") -> None:
        self.served, self.workers, self.threads = served, workers, threads
        self.limits, self.metrics = limits, metrics
        self.name = served.description.name
        self.form = self.accept = ""
        self.columns: list[dict[str, Any]] = []
        self.agreement: float | None = None
        self.waiting: deque[Waiting] = deque()
        self.bytes = 0
        self.live: set[Worker | int] = set()
        self.closing = False
        self.arrived = asyncio.Event()
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tasks = [asyncio.create_task(self._keep(number)) for number in range(workers)]
        metrics.watch(self.name, lambda: len(self.waiting), lambda: len(self.live))

    @property
    def ready(self) -> bool:
        """Whether a worker has answered the check and lives."""
        return bool(self.live) and not self.closing

    async def ask(self, request: Request) -> Reply:
        """Return the answer to a request.

        Raises:
            RefusedError: too many wait (503), it took too long (504), or its worker died (503).
        """
        size = sum(map(len, request.parts))
        if self.closing:
            raise RefusedError(503, "The server is about to stop.", retry=True)
        if len(self.waiting) >= self.limits.queue or (self.bytes + size > WAITING_BYTES and self.waiting):
            raise RefusedError(503, f"{len(self.waiting)} requests wait for {self.name} already.", retry=True)
        loop = asyncio.get_running_loop()
        each = Waiting(request, loop.create_future(), loop.time(), size)
        timer = loop.call_later(self.limits.seconds, self._expire, each)
        self.waiting.append(each)
        self.bytes += size
        self.arrived.set()
        try:
            return await each.reply
        finally:
            timer.cancel()

    async def stop(self) -> None:
        """Turn away what waits, and end the processes."""
        self.closing = True
        for each in self.waiting:
            fail(each, RefusedError(503, "The server is about to stop.", retry=True))
        self.waiting.clear()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _expire(self, each: Waiting) -> None:
        fail(each, RefusedError(504, f"No answer within {self.limits.seconds:g} s."))
        with contextlib.suppress(ValueError):
            self.waiting.remove(each)
            self.bytes -= each.bytes

    async def _keep(self, number: int) -> None:
        """Keep one worker process at work, and start another when it dies."""
        pause = FIRST_PAUSE
        while True:
            worker: Worker | None = None
            try:
                worker = await self._started()
                self.live.add(number)
                pause = FIRST_PAUSE
                if not self.first.done():
                    self.first.set_result(None)
                await self._serve(worker)
            except RunnerError as error:
                if not self.first.done():
                    self.first.set_exception(error)
                    return
                print(f"{self.name}: {error}", file=sys.stderr, flush=True)
            except (EOFError, OSError, TimeoutError) as error:
                if not self.first.done():  # the next would end as this one did
                    self.first.set_exception(RunnerError(f"{self.name}: a worker ended while it loaded the network."))
                    return
                print(f"{self.name}: a worker is gone ({type(error).__name__}); another one starts.", file=sys.stderr)
            finally:
                self.live.discard(number)
                if worker is not None:
                    await ended(worker)
            self.metrics.restarts.labels(self.name).inc()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _started(self) -> Worker:
        """Return a worker that has answered the check; raises RunnerError where the network can't be had."""
        worker = await started(self.served, self.threads)
        settings = {
            "description": self.served.description.as_plain(),
            "threads": self.threads,
            "limits": asdict(self.limits),
        }
        try:
            worker.writer.write(frames.written(settings))
            told, _ = await frames.receive(worker.reader)
            if "error" in told:
                raise RunnerError(told["error"])
        except BaseException:
            await ended(worker)
            raise
        self.form, self.accept, self.columns = told["form"], told["accept"], told["columns"]
        self.agreement = told["agreement"]
        return worker

    async def _serve(self, worker: Worker) -> None:
        """Hand batches to a worker until it dies, which is told by an OSError or EOFError."""
        while True:
            batch = await self._next()
            heads = [head(each.request) for each in batch]
            parts = [part for each in batch for part in each.request.parts]
            try:
                begun = time.perf_counter()
                async with asyncio.timeout_at(max(each.arrived for each in batch) + self.limits.seconds + GRACE):
                    worker.writer.write(frames.written(heads, parts))
                    told, bodies = await frames.receive(worker.reader)
            except BaseException:
                for each in batch:
                    fail(each, RefusedError(503, f"The worker that had this request for {self.name} died.", retry=True))
                raise
            self.metrics.batched(self.name, len(batch), time.perf_counter() - begun)
            for each, (status, type_, header), body in zip(batch, told, bodies, strict=True):
                if not each.reply.done():
                    each.reply.set_result(Reply(status, body, type_, header))

    async def _next(self) -> list[Waiting]:
        """Return the requests to answer next, once there is one, and as many as wait or arrive within the delay."""
        loop = asyncio.get_running_loop()
        while not self.waiting:
            self.arrived.clear()
            await self.arrived.wait()
        until = self.waiting[0].arrived + self.limits.max_delay
        while self.waiting and len(self.waiting) < self.limits.max_batch and loop.time() < until:
            self.arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self.arrived.wait()
        batch = [self.waiting.popleft() for _ in range(min(self.limits.max_batch, len(self.waiting)))]
        self.bytes -= sum(each.bytes for each in batch)
        return batch or await self._next()


def head(request: Request) -> list[object]:
    """Return what a worker must know of a request beside its parts."""
    return [request.kind, request.type, list(request.names), request.header, len(request.parts)]


def fail(each: Waiting, error: RefusedError) -> None:
    """Answer a request with a reason, unless it is answered."""
    if not each.reply.done():
        each.reply.set_exception(error)


async def started(served: Served, threads: int) -> Worker:
    """Return a new worker process, connected."""
    ours, theirs = socket.socketpair()
    package = str(Path(__file__).resolve().parents[2])
    environment = threads_of_this_process(threads)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [package, environment.get("PYTHONPATH")]))
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", served.module, str(theirs.fileno()), *served.arguments],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            pass_fds=[theirs.fileno()],
            env=environment,
            start_new_session=True,  # Ctrl-C is for the server, which lets workers finish
        )
    reader, writer = await asyncio.open_connection(sock=ours, limit=MEGABYTE)
    return Worker(process, reader, writer)


async def ended(worker: Worker) -> None:
    """Close the connection, at which a worker ends by itself, and kill it where it does not."""
    worker.writer.close()
    for _ in range(20):
        if worker.process.poll() is not None:
            return
        await asyncio.sleep(0.05)
    worker.process.kill()
    worker.process.wait()


def order(pools: Sequence[Pool]) -> dict[str, Pool]:
    """Return pools by the names of their models; raises RunnerError for a name that is there twice."""
    found: dict[str, Pool] = {}
    for pool in pools:
        if pool.name in found:
            raise RunnerError(f"{pool.name}: two models have this name; give one another: NAME=RUN_DIRECTORY.")
        found[pool.name] = pool
    return found
