"""Guard: looks at every request before the application does — its key — and counts what became of it."""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from runner.serving.metrics import Metrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
# What those may ask who look after the server.
OPEN = ("/health", "/v2/health/live", "/v2/health/ready")
REFUSAL = json.dumps({"error": "The key is missing or wrong: Authorization: Bearer KEY."}).encode()
HEADS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Guard:
    """An ASGI application around another.

    Args:
        key: what clients must know; None where anybody may ask.
    """

    def __init__(self, app: App, metrics: Metrics, key: str | None) -> None:
        self.app, self.metrics, self.key = app, metrics, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI 3."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def counted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADS]
            await send(message)

        try:
            if self.key is not None and scope["path"] not in OPEN and not knows(self.key, scope["headers"]):
                await refuse(counted)
            else:
                await self.app(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.answered(route, status, time.perf_counter() - begun)


def knows(key: str, headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a request has the key: as a bearer's token, or as a password, which browsers ask for."""
    given = next((value for name, value in headers if name == b"authorization"), b"")
    kind, _, word = given.partition(b" ")
    if kind.lower() == b"basic":
        try:
            word = base64.b64decode(word, validate=True).partition(b":")[2]
        except binascii.Error:
            word = b""
    elif kind.lower() != b"bearer":
        word = b""
    return hmac.compare_digest(word.strip(), key.encode())


async def refuse(send: Send) -> None:
    """Answer 401, with which a browser asks for a password."""
    heads = [(b"content-type", b"application/json"), (b"www-authenticate", b'Basic realm="runner"')]
    await send({"type": "http.response.start", "status": 401, "headers": heads})
    await send({"type": "http.response.body", "body": REFUSAL})
