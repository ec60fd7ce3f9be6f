"""How to connect to Kafka, and what its clients' errors mean to us.

kafka-python's errors become ours here and nowhere else.
"""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import kafka.errors

from infra.errors import BrokerRefused, BrokerUnreachable
from infra.settings import KafkaSettings

REQUEST_S = 10.0
"""The longest one request may take."""

CONNECT_S = 4.0
"""The longest a first connection may take."""


def admin_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options kafka-python's clients share."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.address.split(","),
        "client_id": "millrace",
        "request_timeout_ms": int(REQUEST_S * 1_000),
        "bootstrap_timeout_ms": int(CONNECT_S * 1_000),
        "reconnect_backoff_max_ms": 1_000,
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL"):
        options |= _login(settings)
    return options


def check_reachable(settings: KafkaSettings) -> None:
    """Fail at once where nothing listens; kafka-python would try for seconds, and leave its sockets open.

    Raises:
        BrokerUnreachable: If no address accepts a connection.
    """
    for address in settings.address.split(","):
        host, _, port = address.strip().rpartition(":")
        with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S):
            return
    raise BrokerUnreachable(settings.address)


def stream_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options aiokafka's clients share."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.address,
        "client_id": "millrace",
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL"):
        options |= _login(settings)
    return options


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Build what TLS needs, or none without TLS."""
    if not settings.security_protocol.endswith("SSL"):
        return None
    context = ssl.create_default_context(cafile=str(settings.ssl_cafile) if settings.ssl_cafile else None)
    if settings.ssl_certfile:
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    return context


_SILENCE = (kafka.errors.KafkaTimeoutError, kafka.errors.NodeNotReadyError, kafka.errors.KafkaConnectionError)
"""Errors whose words add nothing to: it does not answer."""


@contextlib.contextmanager
def translated(settings: KafkaSettings) -> Iterator[None]:
    """Turn a client's errors into ours.

    Raises:
        BrokerUnreachable: If nothing answers now; asking again later can help.
        BrokerRefused: If the broker said no.
    """
    try:
        yield
    except (kafka.errors.RetriableError, kafka.errors.KafkaConnectionError, OSError) as error:
        raise BrokerUnreachable(settings.address, "" if isinstance(error, _SILENCE) else _words(error)) from error
    except kafka.errors.KafkaError as error:
        raise BrokerRefused(f"the broker at {settings.address} refused: {_words(error)}", _remedy(error)) from error


def _login(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password.reveal() if settings.sasl_password else None,
    }


def _words(error: Exception) -> str:
    told = " ".join(str(error).split())
    return told if told.startswith(type(error).__name__) else f"{type(error).__name__}: {told}".removesuffix(": ")


def _remedy(error: kafka.errors.KafkaError) -> str:
    if isinstance(error, kafka.errors.AuthorizationError | kafka.errors.AuthenticationFailedError):
        return "Check the user, the password and what the user may do: section [kafka] of `millrace config show`."
    return "See the broker's log."
