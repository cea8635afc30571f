"""The addresses of the server, as an application of FastAPI."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request as Incoming
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from runner.measure.structure import tensors_of
from runner.serving import bodies, tensors
from runner.serving.limits import Limits, RefusedError
from runner.serving.metrics import Metrics
from runner.serving.model import Reply
from runner.serving.page import page
from runner.serving.pool import Pool

Endpoint = Callable[[Incoming], Awaitable[Response]]

EXTENSIONS = ["binary_tensor_data"]
FILE = {"type": "string", "format": "binary"}
BODY = {
    "requestBody": {
        "content": {
            "multipart/form-data": {"schema": {"type": "object", "properties": {"file": FILE}}},
            "application/json": {"schema": {"type": "object"}},
        }
    }
}


@dataclass
class Service:
    """What the addresses answer with: the models by name, limits, and what is counted."""

    limits: Limits
    metrics: Metrics
    version: str
    pools: dict[str, Pool] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether every model is."""
        return bool(self.pools) and all(pool.ready for pool in self.pools.values())

    def pool(self, name: str | None) -> Pool:
        """Return the model of this name, or the only one; raises RefusedError where that says none."""
        names = ", ".join(self.pools)
        if name is None and len(self.pools) == 1:
            return next(iter(self.pools.values()))
        if name is None:
            raise RefusedError(400, f"Several models are served: POST /predict/NAME, with one of {names}.")
        if name not in self.pools:
            raise RefusedError(404, f"There is no model {name}. There are {names}.")
        return self.pools[name]


def application(service: Service) -> FastAPI:
    """Return the application."""
    app = FastAPI(
        title="runner",
        version=service.version,
        max_body_size=service.limits.body,
        redoc_url=None,
    )

    @app.exception_handler(RefusedError)
    async def refused(_: Incoming, error: RefusedError) -> Response:
        heads = {"Retry-After": "1"} if error.retry else None
        return JSONResponse({"error": str(error)}, error.status, heads)

    @app.exception_handler(Exception)
    async def failed(_: Incoming, error: Exception) -> Response:
        return JSONResponse({"error": "The server failed on this request."}, 500)

    add_pages(app, service)
    add_prediction(app, service)
    add_protocol(app, service)
    return app


def add_pages(app: FastAPI, service: Service) -> None:
    """Add what people and machines look at."""

    @app.get("/", summary="The models: JSON, or a page for browsers")
    async def root(incoming: Incoming) -> Response:
        about = [described(pool) for pool in service.pools.values()]
        if wants_page(incoming.headers.get("accept", "")):
            text, policy = page(about)
            return HTMLResponse(text, headers={"Content-Security-Policy": policy})
        return JSONResponse({"models": about})

    @app.get("/health", summary="Whether every model can answer")
    async def health() -> Response:
        states = {name: "ready" if pool.ready else "not ready" for name, pool in service.pools.items()}
        return JSONResponse(
            {"status": "ready" if service.ready else "not ready", "models": states}, state(service.ready)
        )

    @app.get("/metrics", summary="For Prometheus")
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def add_prediction(app: FastAPI, service: Service) -> None:
    """Add the addresses that answer in the user's terms."""

    async def predict(incoming: Incoming) -> Response:
        pool = service.pool(incoming.path_params.get("name"))
        return response(await pool.ask(await bodies.prediction(incoming, service.limits)))

    add_quick(app, "/predict", predict, "Predict with the only model")
    add_quick(app, "/predict/{name}", predict, "Predict with one of the models")


def add_protocol(app: FastAPI, service: Service) -> None:
    """Add the Open Inference Protocol, version 2."""

    @app.get("/v2")
    async def server() -> Response:
        return JSONResponse({"name": "runner", "version": service.version, "extensions": EXTENSIONS})

    @app.get("/v2/health/live")
    async def live() -> Response:
        return JSONResponse({"live": True})

    @app.get("/v2/health/ready")
    async def ready() -> Response:
        return JSONResponse({"ready": service.ready}, state(service.ready))

    @app.get("/v2/models/{name}")
    async def model(name: str) -> Response:
        about = service.pool(name).served.description
        sides = {side: tensors_of(getattr(about, side), side) for side in ("inputs", "outputs")}
        # Any number of samples is answered, in batches of the size that the file takes.
        told = {side: tensors.metadata(each, None) for side, each in sides.items()}
        return JSONResponse({"name": name, "versions": ["1"], "platform": f"runner_{about.format}", **told})

    @app.get("/v2/models/{name}/ready")
    async def model_ready(name: str) -> Response:
        found = service.pool(name).ready
        return JSONResponse({"name": name, "ready": found}, state(found))

    async def infer(incoming: Incoming) -> Response:
        pool = service.pool(incoming.path_params["name"])
        return response(await pool.ask(await bodies.inference(incoming)))

    add_quick(app, "/v2/models/{name}/infer", infer, "Tensors in, tensors out")


def add_quick(app: FastAPI, path: str, endpoint: Endpoint, summary: str) -> None:
    """Add an address that is asked thousands of times a second.

    FastAPI describes it, and Starlette's own route, which is found before, answers: what FastAPI does for the arguments
    of an endpoint takes longer than a small network (0.2 of 0.3 ms).
    """
    app.post(path, summary=summary, openapi_extra=BODY)(endpoint)

    async def answer(incoming: Incoming) -> Response:
        incoming.scope["route"] = route
        return await endpoint(incoming)

    route = Route(path, answer, methods=["POST"])
    app.router.routes.insert(0, route)


def response(reply: Reply) -> Response:
    """Return a worker's answer as HTTP has it."""
    heads = {} if reply.header is None else {tensors.HEADER: str(reply.header)}
    return Response(reply.body, reply.status, heads, reply.type)


def state(good: bool) -> int:
    """Return the status of HTTP that says so."""
    return 200 if good else 503


def described(pool: Pool) -> dict[str, Any]:
    """Return what `/` tells of a model."""
    about = pool.served.description
    return {
        "name": about.name,
        "task": about.task,
        "takes": about.takes,
        "network": about.network,
        "format": about.format,
        "about": about.about,
        "metrics": about.metrics,
        "classes": about.classes,
        "ready": pool.ready,
        "form": pool.form,
        "accept": pool.accept,
        "columns": pool.columns,
    }


def wants_page(accept: str) -> bool:
    """Return whether a client prefers HTML to JSON, as browsers do and nothing else does."""
    kinds = [each.partition(";")[0].strip() for each in accept.split(",")]
    return "text/html" in kinds
