"""The gateway's application: routers put together, errors as problem+json, bodies limited."""

from collections.abc import Sequence

from litestar import Litestar, Response, Router, get

from infra.gateway.problems import respond

BODY_BYTES = 4 * 1024 * 1024
"""The longest body that is read."""


def make_application(routers: Sequence[Router]) -> Litestar:
    """Put an application together.

    Args:
        routers: What it serves besides ``/healthz``.
    """

    @get("/healthz")
    async def healthz() -> Response[dict[str, str]]:
        return Response({"status": "ok"})

    return Litestar(
        route_handlers=[healthz, *routers],
        exception_handlers={Exception: respond},
        request_max_body_size=BODY_BYTES,
        openapi_config=None,
        logging_config=None,
    )
