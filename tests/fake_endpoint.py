"""An OpenAI-compatible endpoint that says what a test wants, and misbehaves as a test wants.

Runs in threads of the test's own process; workers in other processes reach it at ``.url`` too::

    with FakeEndpoint(says=lambda asked: "It runs small.") as endpoint:  # to whomever asks, always
        endpoint.script(status(429, retry_after="1"), hangs())           # first these, one a request
        ...
        assert endpoint.asked[0]["model"] == "a-model"
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Asked = dict[str, Any]
"""The body of a request."""


class Exchange(BaseHTTPRequestHandler):
    """One request and the ways to answer it, honest or not."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked: Asked = json.loads(body)
        self.server.endpoint.answer(self)

    def do_GET(self) -> None:
        self.server.endpoint.fetched.append(self.path)
        self.send(200, b"{}")

    def send(
        self, status: int, body: bytes, content_type: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer as one should."""
        self.begin(status, content_type, {"Content-Length": str(len(body))} | dict(headers or {}))
        self.wfile.write(body)

    def begin(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        """Send a head; what follows is the caller's."""
        self.send_response(status)
        for name, value in {"Content-Type": content_type, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def event(self, data: str) -> None:
        """Send one chunk of a stream with one event in it."""
        self.chunk(f"data: {data}\n\n".encode())

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def hang(self) -> None:
        """Say nothing more until the endpoint is left."""
        self.close_connection = True
        self.server.endpoint.released.wait()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing on stderr."""


Step = Callable[[Exchange], None]
"""One answer, or what comes instead."""


class Server(ThreadingHTTPServer):
    """Does not wait for hanging answers at its end, nor tell of clients that left."""

    daemon_threads = True
    block_on_close = False
    endpoint: "FakeEndpoint"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may leave whenever they like."""


class FakeEndpoint:
    """Serves while it is entered.

    Args:
        says: What is said where no step is scripted; None fails such requests with 500.
        model: Who says it; None is whoever was asked.
    """

    def __init__(self, says: Callable[[Asked], str] | None = None, model: str | None = None) -> None:
        self.says = says
        self.model = model
        self.asked: list[Asked] = []
        self.headers: list[Mapping[str, str]] = []
        self.fetched: list[str] = []
        self.most_at_a_time = 0
        self.released = threading.Event()
        self._at_a_time = 0
        self._steps: deque[Step] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> "FakeEndpoint":
        self._server = Server(("127.0.0.1", 0), Exchange)
        self._server.endpoint = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where its version 1 is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def script(self, *steps: Step) -> None:
        """Answer the next requests so, in the order they come."""
        self._steps.extend(steps)

    def answer(self, exchange: Exchange) -> None:
        """Note a request and answer it."""
        with self._lock:
            self.asked.append(exchange.asked)
            self.headers.append(dict(exchange.headers))
            step = self._steps.popleft() if self._steps else self._unscripted
            self._at_a_time += 1
            self.most_at_a_time = max(self.most_at_a_time, self._at_a_time)
        try:
            step(exchange)
        finally:
            with self._lock:
                self._at_a_time -= 1

    def _unscripted(self, exchange: Exchange) -> None:
        step = status(500) if self.says is None else says(self.says(exchange.asked), model=self.model)
        step(exchange)


def says(
    text: str | None,
    *,
    model: str | None = None,
    finish: str = "stop",
    tokens: tuple[int, int] | None = (100, 20),
    **message: object,
) -> Step:
    """Answer well: as a stream if that was asked for, word by word.

    Args:
        text: What is said.
        model: Who says it; None is whoever was asked.
        finish: Why it ends.
        tokens: Read and said; None does not tell.
        message: More of the message: ``refusal``.
    """

    def step(exchange: Exchange) -> None:
        head = {"id": "1", "model": model or exchange.asked["model"]}
        usage = tokens and {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        if exchange.asked.get("stream"):
            pieces = [{"content": piece} for piece in (text or "").partition(" ")] + ([message] if message else [])
            choices = [{"index": 0, "delta": piece, "finish_reason": None} for piece in pieces]
            choices.append({"index": 0, "delta": {}, "finish_reason": finish})
            events = [json.dumps({**head, "choices": [choice]}) for choice in choices]
            usage_event = [json.dumps({**head, "choices": [], "usage": usage})] if usage else []
            return streams([*events, *usage_event, "[DONE]"])(exchange)
        choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
        answer = {**head, "object": "chat.completion", "choices": [choice]} | ({"usage": usage} if usage else {})
        return exchange.send(200, json.dumps(answer).encode())

    return step


def status(code: int, error: object = None, *, retry_after: str | None = None, html: bool = False) -> Step:
    """Answer with an error.

    Args:
        code: Of HTTP.
        error: What stands under ``error``.
        retry_after: As it stands in the header.
        html: As a proxy says it, with a page.
    """
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    body = (
        b"<html><title>An error</title></html>" if html else json.dumps({"error": error or {"message": "no"}}).encode()
    )
    return lambda exchange: exchange.send(code, body, "text/html" if html else "application/json", headers)


def redirects(place: str) -> Step:
    """Send whoever asks elsewhere."""
    return lambda exchange: exchange.send(307, b"", headers={"Location": place})


def raw(body: bytes, content_type: str = "application/json", *, missing: int = 0) -> Step:
    """Answer with any bytes; ``missing`` more are promised, and the connection ends."""

    def step(exchange: Exchange) -> None:
        exchange.begin(200, content_type, {"Content-Length": str(len(body) + missing)})
        exchange.wfile.write(body)
        exchange.close_connection = exchange.close_connection or missing > 0

    return step


def hangs(after: bytes = b"", content_type: str = "application/json") -> Step:
    """Say nothing, or these bytes and then nothing."""

    def step(exchange: Exchange) -> None:
        if after:
            exchange.begin(200, content_type, {"Transfer-Encoding": "chunked"})
            exchange.chunk(after)
        exchange.hang()

    return step


def waits_for(event: threading.Event, then: Step) -> Step:
    """Answer only once an event is set."""

    def step(exchange: Exchange) -> None:
        event.wait()
        then(exchange)

    return step


def streams(events: Sequence[str], *, cut: bool = False) -> Step:
    """Send events as given; ``cut`` ends the connection in the middle of the stream."""

    def step(exchange: Exchange) -> None:
        exchange.begin(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for event in events:
            exchange.event(event)
        if cut:
            exchange.close_connection = True
        else:
            exchange.chunk(b"")

    return step


def hangs_up() -> Step:
    """End the connection without a word."""

    def step(exchange: Exchange) -> None:
        exchange.close_connection = True

    return step


def floods(content_type: str = "application/json") -> Step:
    """Never end: the connection is full until whoever asked leaves."""

    def step(exchange: Exchange) -> None:
        exchange.begin(200, content_type, {"Transfer-Encoding": "chunked"})
        exchange.chunk(b'{"choices": [{"message": {"content": "')
        while not exchange.server.endpoint.released.is_set():
            exchange.chunk(b"so nice " * 8_192)

    return step
