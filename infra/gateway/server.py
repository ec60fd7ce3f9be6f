"""Serve an application over HTTP until a signal ends it."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from infra.errors import PortTaken

PARTING_S = 10
"""For requests that are under way when it ends."""


class _Server(uvicorn.Server):
    """Ends with the first signal when all are answered, and at once with the second; the process goes on."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def serve(application: Any, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        application: ASGI.
        host: Address to listen at.
        port: To listen at; 0 takes any.
        ready: Called with the address, ``http://HOST:PORT``, when it listens.

    Raises:
        infra.errors.PortTaken: If something else listens there, or the address is none of this machine's.
    """
    with bind(host, port) as listening:
        config = uvicorn.Config(
            application,
            loop="uvloop",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=PARTING_S,
        )
        ready(f"http://{_written(host)}:{listening.getsockname()[1]}")
        _Server(config).run(sockets=[listening])


def bind(host: str, port: int) -> socket.socket:
    """Take an address.

    Raises:
        infra.errors.PortTaken: If it cannot be had.
    """
    remedy = "Choose another: MILLRACE_GATEWAY_PORT=8081, or MILLRACE_GATEWAY_HOST."
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        raise PortTaken(f"the gateway cannot listen at {host}:{port} ({error})", remedy) from error


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host
