"""The queue before the workers: batches, bounds, deadlines; with a worker that answers when the test lets it."""

import asyncio
import os

import pytest

pytest.importorskip("prometheus_client", reason="the extra serve is not installed")
from runner.errors import RunnerError
from runner.serving.description import Description
from runner.serving.limits import Limits, RefusedError
from runner.serving.metrics import Metrics
from runner.serving.model import Request
from runner.serving.pool import Pool, Served

# Answers how many requests were in the batch, once somebody opens the pipe whose name the first one holds.
WORKER = """
import sys
from runner.serving.model import Reply
from runner.serving.worker import work

class Held:
    form, accept, columns = "", "", ()

class Slow:
    def __init__(self, description, threads, limits):
        self.description, self.reader = description, Held()
    def warm_up(self):
        return None
    def answer(self, requests):
        if requests[0].parts[0]:
            open(requests[0].parts[0]).read()
        return [Reply(200, str(len(requests)).encode()) for _ in requests]

work(Slow, int(sys.argv[1]))
"""


@pytest.fixture
def held(tmp_path, monkeypatch):
    """`held(limits, test)` runs a test with a pool, its metrics, and a pipe that lets go of the worker."""
    (tmp_path / "slow_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    os.mkfifo(pipe := tmp_path / "pipe")
    about = Description("slow", "", "", "", "", "", {}, {})

    def call(limits, test):
        async def run():
            metrics = Metrics()
            pool = Pool(Served(about, "slow_worker"), 1, 1, limits, metrics)
            await pool.first
            try:
                await test(pool, metrics, pipe)
            finally:
                await pool.stop()

        asyncio.run(run())

    return call


def holding(pipe):
    return Request("predict", parts=[str(pipe).encode()])


FREE = Request("predict", parts=[b""])


async def release(pipe):
    """Let go of the worker; waits until it waits."""
    await asyncio.to_thread(pipe.write_text, "now")


def test_what_waits_while_a_worker_is_busy_is_answered_together(held):
    async def test(pool, metrics, pipe):
        first = asyncio.create_task(pool.ask(holding(pipe)))
        while pool.waiting or not first.get_coro().cr_await:
            await asyncio.sleep(0)
        rest = [asyncio.create_task(pool.ask(FREE)) for _ in range(5)]
        await asyncio.sleep(0)
        await release(pipe)
        assert (await first).body == b"1"
        assert [each.body for each in await asyncio.gather(*rest)] == [b"4"] * 4 + [b"1"]
        assert b'runner_batch_requests_sum{model="slow"} 6.0' in metrics.text()

    held(Limits(max_batch=4), test)


def test_a_worker_that_can_t_start_ends_the_server_with_a_reason(held):
    async def run():
        about = Description("gone", "", "", "", "", "", {}, {})
        pool = Pool(Served(about, "no_module_of_this_name"), 1, 1, Limits(), Metrics())
        with pytest.raises(RunnerError, match="gone: a worker ended while it loaded the network"):
            await pool.first
        assert not pool.ready
        await pool.stop()

    asyncio.run(run())


def test_a_full_queue_a_deadline_and_an_end_are_told(held):
    async def test(pool, metrics, pipe):
        first = asyncio.create_task(pool.ask(holding(pipe)))
        while pool.waiting or not first.get_coro().cr_await:
            await asyncio.sleep(0)
        waiting = asyncio.create_task(pool.ask(FREE))
        await asyncio.sleep(0)
        with pytest.raises(RefusedError, match="1 requests wait for slow already") as full:
            await pool.ask(FREE)
        assert (full.value.status, full.value.retry) == (503, True)
        for each in (first, waiting):
            with pytest.raises(RefusedError, match=r"No answer within 0\.2 s") as late:
                await each
            assert late.value.status == 504
        assert not pool.waiting and not pool.bytes
        await release(pipe)
        assert (await pool.ask(FREE)).body == b"1"  # what came too late hurts nobody
        await pool.stop()
        with pytest.raises(RefusedError, match="about to stop"):
            await pool.ask(FREE)

    held(Limits(queue=1, seconds=0.2), test)
