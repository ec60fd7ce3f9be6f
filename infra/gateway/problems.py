"""Errors become problem+json.

Errors:
    Exception
    └── Refused   a request that cannot be answered as it was sent
"""

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from infra.errors import InfraError
from schemas.problems import PREFIX, Problem

CONTENT_TYPE = "application/problem+json"

_TITLES = {
    400: ("malformed_request", "The request cannot be read"),
    404: ("not_found", "There is no such thing here"),
    405: ("method_not_allowed", "It is asked with another method"),
    413: ("body_too_large", "The body is too large"),
    500: ("unexpected", "Something unexpected went wrong"),
    503: ("unavailable", "Something needed for this is not available"),
}

log = structlog.get_logger("gateway")


class Refused(Exception):
    """A request that cannot be answered as it was sent.

    Args:
        status: Of HTTP.
        detail: What is wrong, one line.
        remedy: What to do, one line.
        field: Path of the field that is wrong.
        kind: A stable code; None for that of the status.
        title: What kind of thing it is; None for that of the status.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        remedy: str | None = None,
        field: str | None = None,
        kind: str | None = None,
        title: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = make_problem(status, detail, remedy, field, kind, title)


def make_problem(
    status: int,
    detail: str,
    remedy: str | None = None,
    field: str | None = None,
    kind: str | None = None,
    title: str | None = None,
) -> Problem:
    """Write a problem; see ``Refused``."""
    phrase = HTTPStatus(status).phrase
    code, words = _TITLES.get(status, (phrase.lower().replace(" ", "_"), phrase))
    return Problem(
        type=PREFIX + (kind or code), title=title or words, status=status, detail=detail, field=field, remedy=remedy
    )


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a request that failed, whatever failed: the exception handler of the application."""
    problem = _problem(request, error)
    headers = (error.headers or {}) if isinstance(error, HTTPException) else {}
    body = msgspec.json.encode(problem)
    return Response(body, status_code=problem.status, media_type=CONTENT_TYPE, headers=headers)


def _problem(request: Request[Any, Any, Any], error: Exception) -> Problem:
    if isinstance(error, Refused):
        return error.problem
    if isinstance(error, InfraError):
        log.error("request failed", path=request.url.path, error=error.message)
        return make_problem(503, error.message, error.remedy)
    if isinstance(error, HTTPException) and error.status_code < 500:
        return _client_problem(request, error)
    log.error("request failed", path=request.url.path, exc_info=error)
    return make_problem(500, f"{type(error).__name__}; the gateway's log has the rest", "Tell who runs it.")


def _client_problem(request: Request[Any, Any, Any], error: HTTPException) -> Problem:
    path, status = request.url.path, error.status_code
    if status == 404:
        return make_problem(404, f"there is nothing at {path}", "GET /serving-endpoints lists what is served.")
    if status == 405:
        return make_problem(405, f"{request.method} is not what {path} is asked with")
    if status == 413:
        return make_problem(413, "the body is longer than the gateway reads", "Send fewer records at a time.")
    return make_problem(status, error.detail)
