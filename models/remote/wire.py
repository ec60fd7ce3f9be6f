"""One request to an endpoint, and whatever comes back: every misbehaviour of a network becomes data here."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx

from models.ports import WriteFailure
from models.remote.address import is_loopback
from models.remote.answers import (
    MAX_ANSWER_BYTES,
    AnswerError,
    AnswerReader,
    EventReader,
    JsonReader,
    OversizedAnswerError,
    ReportedError,
    Said,
)
from models.remote.retry_after import retry_after_s
from models.remote.server_errors import ServerError, read_error, reported_error, told_safely
from models.remote.spoken_text import estimated_tokens

CONNECT_S = 10.0
MAX_REPORT_BYTES = 65_536
KEPT_OPEN_S = 3.0
"""Servers close idle connections after 5 s (uvicorn); a request that meets the closing one would be lost."""
TELLING_S = 3.0
"""Whoever gave an endpoint less time than this cannot say that it is slow."""
SENDING = "http11.send_request_body.started"
"""From here on the endpoint may read a prompt, as httpcore names it."""

Heard = Said | ServerError | WriteFailure


class Wire:
    """Speaks HTTP to one endpoint.

    Proxies of the environment (``HTTPS_PROXY``, ``NO_PROXY``) are used, except on the way to this machine itself.
    Redirects are not followed: they would carry the key elsewhere.

    Args:
        address: Of chat completions.
        key: Sent as a bearer token; None sends none.
        concurrency: Most connections.
        timeout_s: Most seconds a request may take.
    """

    def __init__(self, address: httpx.URL, key: str | None, concurrency: int, timeout_s: float) -> None:
        self._address = address
        self._key = key
        self._timeout_s = timeout_s
        # Uncompressed: 64 kB on the wire could become 64 MB in memory before anybody counts.
        headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._client = httpx.AsyncClient(
            verify=_trusted(),
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
            limits=httpx.Limits(max_connections=concurrency, keepalive_expiry=KEPT_OPEN_S),
            mounts={f"all://{address.host}": None} if is_loopback(address) else None,
            follow_redirects=False,
        )
        self._closed = False

    async def close(self) -> None:
        """Close all connections; requests in flight fail."""
        self._closed = True
        await self._client.aclose()

    async def ask(self, body: dict[str, Any], until: float | None, tell: Callable[[str], None]) -> Heard:
        """Send a request; return what was said, or what went wrong.

        Args:
            body: As JSON.
            until: When patience ends, by the loop's clock; None when the timeout does.
            tell: Gets text as it comes, where it comes in pieces; NUL and lone surrogates in it.
        """
        now = asyncio.get_running_loop().time()
        given_s = self._timeout_s if until is None else max(min(self._timeout_s, until - now), 0.0)
        reader: AnswerReader | None = None
        sent = False

        async def trace(event: str, told: Mapping[str, Any]) -> None:
            nonlocal sent
            sent |= event == SENDING and told["request"].method == b"POST"  # a proxy is sent CONNECT before

        request = self._client.build_request("POST", self._address, json=body, extensions={"trace": trace})
        try:
            async with asyncio.timeout_at(now + given_s):
                response = await self._client.send(request, stream=True)
                async with aclosing(response):
                    if not response.is_success:
                        return await self._error(response, _prompt(body))
                    reader = _reader(response)
                    return await _read(response, reader, tell)
        except ReportedError as error:
            report = reported_error(error.report, response.status_code, None, self._key, _prompt(body))
            return _charged(report.failure, body, reader) if reader and reader.said.text else report
        except (AnswerError, httpx.HTTPError, TimeoutError, RuntimeError) as error:
            failure = self._failure(error, given_s)
            # An endpoint that takes no connection was asked, though for nothing.
            return _charged(failure, body, reader) if sent else replace(failure, asked=failure.endpoint)

    async def _error(self, response: httpx.Response, prompt: Sequence[str]) -> ServerError:
        """Read the report of an error, as far as a report goes."""
        if response.next_request is not None:
            place = response.next_request.url.copy_with(query=None, fragment=None, userinfo=b"")
            told = f"it redirects to {place}, which is not followed; set writer.url"
            return ServerError(response.status_code, message=told_safely(told, self._key))
        report = bytearray()
        async for chunk in response.aiter_bytes():
            report += chunk
            if len(report) > MAX_REPORT_BYTES:
                break
        waits_s = retry_after_s(response.headers, datetime.now(UTC))
        return read_error(response.status_code, bytes(report), waits_s, self._key, prompt)

    def _failure(self, error: Exception, given_s: float) -> WriteFailure:
        """Return what an exception means.

        Raises:
            RuntimeError: The exception itself, if it is none of httpx after it was closed.
        """
        if self._closed:
            return WriteFailure("the call was stopped", retryable=True)
        if isinstance(error, RuntimeError):
            raise error
        if isinstance(error, OversizedAnswerError):
            told = f"the answer is longer than {MAX_ANSWER_BYTES:,} bytes; the rest was not read"
            return WriteFailure(told, retryable=False, endpoint=True)  # paid for in vain: not again
        if isinstance(error, AnswerError):
            return WriteFailure(str(error), retryable=True, endpoint=True)
        if isinstance(error, httpx.ConnectTimeout):
            return WriteFailure("the endpoint took no connection in time", retryable=True, endpoint=True)
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            told = f"no answer within {round(given_s, 2):g} s"
            return WriteFailure(told, retryable=True, endpoint=given_s >= min(TELLING_S, self._timeout_s))
        told = "cannot connect to the endpoint" if isinstance(error, httpx.ConnectError) else "the connection broke"
        # The words of other errors may quote a header, and with it the key.
        why = told_safely(str(error), self._key) if isinstance(error, httpx.NetworkError | httpx.ProxyError) else ""
        return WriteFailure(f"{told}: {why or type(error).__name__}", retryable=True, endpoint=True)


def _charged(failure: WriteFailure, body: dict[str, Any], reader: AnswerReader | None) -> WriteFailure:
    """Count what a request without a whole answer cost: estimated, where the endpoint did not come to say it.

    Endpoints bill a prompt once they have read it, whether anybody waits for the answer or not.
    """
    asked = sum(map(estimated_tokens, _prompt(body)))
    said = Said() if reader is None else reader.said
    return replace(
        failure,
        tokens_in=asked if said.tokens_in is None else said.tokens_in,
        tokens_out=estimated_tokens(said.text) if said.tokens_out is None else said.tokens_out,
    )


def _prompt(body: dict[str, Any]) -> list[str]:
    return [message["content"] for message in body["messages"]]


@cache
def _trusted() -> ssl.SSLContext:
    """Load once whom TLS trusts: 0.2 s, longer than all else an engine does at its start."""
    return httpx.create_ssl_context()


async def _read(response: httpx.Response, reader: AnswerReader, tell: Callable[[str], None]) -> Said:
    """Read to the end of the answer, which may come before the end of the connection."""
    async for chunk in response.aiter_bytes():
        if text := reader.feed(chunk):
            tell(text)
        if reader.finished:
            break
    return reader.close()


def _reader(response: httpx.Response) -> AnswerReader:
    """Choose by what came, not by what was asked for: some endpoints always stream, some never do."""
    return EventReader() if "event-stream" in response.headers.get("content-type", "") else JsonReader()
