"""Start: the options of a server, its socket, and its life from the first worker to the last answer."""

import argparse
import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from runner.errors import RunnerError
from runner.measure.machine import cores
from runner.serving.limits import FORMATS, MEGABYTE, Limits
from runner.serving.pool import Pool, Served, order

KEY = "RUNNER_SERVE_KEY"
INSTALL = "pip install 'runner[serve]'"
PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
# Connections at once; more are answered 503.
CONNECTIONS = 512
# Seconds that answers under way are waited for once the server was asked to stop.
DRAIN = 30


@dataclass(frozen=True)
class Options:
    """How to serve."""

    host: str
    port: int
    workers: int
    threads: int
    limits: Limits


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every way to serve has."""
    default = Limits()
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; the default is for this machine alone"
    )
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--workers", type=positive, default=1, help="processes a model")
    parser.add_argument("--threads", type=positive, default=None, help="threads a worker; the cores divided by workers")
    parser.add_argument(
        "--max-batch", type=positive, default=default.max_batch, help="requests answered at once; 1: no batches"
    )
    parser.add_argument(
        "--max-delay",
        type=milliseconds,
        default=0.0,
        metavar="MS",
        help="how long a request waits for others to join it",
    )
    parser.add_argument("--queue", type=positive, default=default.queue, help="requests that may wait; more get 503")
    parser.add_argument("--timeout", type=seconds, default=default.seconds, metavar="S", help="later answers are 504")
    parser.add_argument("--max-body", type=positive, default=default.body // MEGABYTE, metavar="MB")
    parser.add_argument("--max-pixels", type=positive, default=default.pixels, help="of a picture, by its header")
    parser.add_argument("--max-files", type=positive, default=default.files, help="of one request")
    parser.add_argument("--picture-formats", default=",".join(FORMATS), help="comma-separated; as Pillow names them")


def options_from(parsed: argparse.Namespace) -> Options:
    """Return what the command line says."""
    limits = Limits(
        body=parsed.max_body * MEGABYTE,
        pixels=parsed.max_pixels,
        formats=tuple(known_formats(parsed.picture_formats)),
        files=parsed.max_files,
        queue=parsed.queue,
        seconds=parsed.timeout,
        max_batch=parsed.max_batch,
        max_delay=parsed.max_delay,
    )
    threads = parsed.threads or max(1, int(cores() / parsed.workers))
    return Options(parsed.host, parsed.port, parsed.workers, threads, limits)


def known_formats(text: str) -> list[str]:
    """Return the names of picture formats; raises RunnerError for one that Pillow does not draw itself."""
    from runner.data.images.opened import drawn_formats

    names = [each.strip().upper() for each in text.split(",") if each.strip()]
    if not names or (strange := [each for each in names if each not in drawn_formats()]):
        raise RunnerError(
            f"--picture-formats {', '.join(strange) if names else text}: Pillow draws {', '.join(drawn_formats())}."
        )
    return names


def need_packages() -> None:
    """Raise RunnerError with the command that installs what serving needs, where it isn't there."""
    if missing := [each for each in PACKAGES if find_spec(each) is None]:
        raise RunnerError(f"Serving needs {', '.join(missing)}, not installed here: {INSTALL}")


def serve(models: Sequence[Served], options: Options, version: str, listener: socket.socket) -> int:
    """Answer requests until a signal comes, then what is under way; return the exit status.

    Raises:
        RunnerError: a name is there twice, or a model can't be loaded.
    """
    loop = None
    if find_spec("uvloop"):
        import uvloop

        loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop) as running:
        return running.run(served(models, options, version, listener))


async def served(models: Sequence[Served], options: Options, version: str, listener: socket.socket) -> int:
    """Start the workers and the server; return when both have ended."""
    import uvicorn

    from runner.serving.app import Service, application
    from runner.serving.guard import Guard
    from runner.serving.metrics import Metrics

    service = Service(options.limits, Metrics(), version)
    made = [Pool(each, options.workers, options.threads, options.limits, service.metrics) for each in models]
    service.pools = order(made)
    app = Guard(application(service), service.metrics, os.environ.get(KEY) or None)
    settings: dict[str, Any] = {
        "access_log": False,
        "log_level": "warning",
        "server_header": False,
        "limit_concurrency": CONNECTIONS,
        "timeout_graceful_shutdown": DRAIN,
        "lifespan": "off",
    }
    server = quiet_server(uvicorn.Config(app, **settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, server)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        started = asyncio.gather(*(pool.first for pool in made))
        await asyncio.wait([started, running], return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            started.result()
            announce(made, options, listener)
        await running
    finally:
        server.should_exit = True
        await running
        await asyncio.gather(*(pool.stop() for pool in made))
    return 0


def quiet_server(config: Any) -> Any:
    """Return a server of uvicorn that leaves signals to us: its own would end the process by them after it drained."""
    import uvicorn

    class QuietServer(uvicorn.Server):
        """A server whose signals are handled by the loop."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return QuietServer(config)


def stop(server: Any) -> None:
    """Stop listening and answer what is under way; the second time, stop at once."""
    server.force_exit = server.should_exit
    server.should_exit = True


def announce(pools: Sequence[Pool], options: Options, listener: socket.socket) -> None:
    """Say what is served, and where."""
    for pool in pools:
        about = pool.served.description
        checked = (
            "no check was written with it"
            if pool.agreement is None
            else f"answers its check at {pool.agreement:.0f} dB"
        )
        print(f"{pool.name}  {about.network} as {about.format}, {about.about}; {checked}")
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(
        f"Serving at http://{shown}:{port}/  (workers a model: {options.workers}, threads of each: {options.threads})",
        flush=True,
    )


def sentence(host: str, key: str | None) -> str:
    """Return what a person should know who serves beyond this machine; empty where only this machine can ask."""
    if is_loopback(host):
        return ""
    who = "whoever knows the key" if key else f"anybody (set {KEY} to ask for a key)"
    return f"{host} is reachable from other machines: {who} may send requests, unencrypted unless a proxy adds TLS."


def is_loopback(host: str) -> bool:
    """Return whether an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Give a socket that listens; raises RunnerError where the port is taken or the address isn't this machine's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise RunnerError(f"--host {host} --port {port}: {error}.") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(1024)
        except OSError as error:
            raise RunnerError(
                f"{host}:{port} can't be listened at ({error.strerror}). Choose another with --port."
            ) from None
        yield listener


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number from 1 on")
    return int(text)


def seconds(text: str) -> float:
    """Return a number above 0."""
    found = number(text)
    if found <= 0:
        raise argparse.ArgumentTypeError(f"{text}: must be above 0")
    return found


def milliseconds(text: str) -> float:
    """Return milliseconds, 0 or more, as seconds."""
    found = number(text)
    if found < 0:
        raise argparse.ArgumentTypeError(f"{text}: must be 0 or more")
    return found / 1000


def number(text: str) -> float:
    """Return a finite number."""
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if found - found:
        raise argparse.ArgumentTypeError(f"{text}: no number")
    return found
