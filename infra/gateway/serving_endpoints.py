"""``/serving-endpoints``: what is served, and asking it."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import msgspec
from litestar import MediaType, Request, Response, Router, get, post
from litestar.params import FromPath

from infra.gateway.invocations import read_records
from infra.gateway.problems import Refused
from schemas.serving_endpoints import Endpoint, Endpoints, Predictions, RowProblem

PATH = "/serving-endpoints"

THREADS = 2
"""Of each endpoint, so that a slow one holds no other up; more take the interpreter from each other."""


class Served(Protocol):
    """Something that answers records."""

    @property
    def endpoint(self) -> Endpoint:
        """What is told of it."""
        ...

    def invoke(self, records: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any] | RowProblem]:
        """Answer records, one for one in their order; called in a thread.

        Raises:
            infra.errors.InfraError: If none of them can be answered now.
        """
        ...


def make_router(served: Sequence[Served]) -> Router:
    """Make what can be mounted into an application.

    Args:
        served: Each under the name of its endpoint.
    """
    by_name = {one.endpoint.name: one for one in served}
    threads = {name: ThreadPoolExecutor(THREADS, f"serve {name}") for name in by_name}

    def find(name: str) -> Served:
        if name not in by_name:
            told = ", ".join(by_name) or "none"
            kind, title = "unknown_endpoint", "There is no such endpoint"
            raise Refused(404, f"there is no endpoint {name!r}", f"There is {told}.", None, kind, title)
        return by_name[name]

    @get("/")
    async def all_endpoints() -> Response[bytes]:
        return _json(Endpoints([one.endpoint for one in served]))

    @get("/{name:str}")
    async def one_endpoint(name: FromPath[str]) -> Response[bytes]:
        return _json(find(name).endpoint)

    @post("/{name:str}/invocations", status_code=200)
    async def invocations(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        one = find(name)
        records = read_records(await request.body())
        answers = await asyncio.get_running_loop().run_in_executor(threads[name], one.invoke, records)
        return _json(Predictions(list(answers)))

    return Router(PATH, route_handlers=[all_endpoints, one_endpoint, invocations])


def _json(value: msgspec.Struct) -> Response[bytes]:
    return Response(msgspec.json.encode(value), media_type=MediaType.JSON)
