"""What pymilvus and gRPC raise, told in our words: one line, and whether trying again may help."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from infra.vectors.vector_store import VectorStoreError, VectorStoreFailed, VectorStoreUnreachable

NOT_FOUND = 100

NOT_READY = frozenset((1, 2, 3, 4, 5, 8, 101, 103, 201, 202, 400, 401, 500, 501, 503, 600, 601, 602, 901, 902, 903))
"""Codes of a server that starts, lost a part of itself or has too much to do; each of these passes."""

BROKEN = ("UNAVAILABLE", "CANCELLED", "closed channel", "Fail connecting to server", "server unavailable")
"""Words of a connection that is of no use any more."""

PASSING = ("DEADLINE_EXCEEDED", "Retry timeout", "timeout", "node not", "session not found", "attempt #")
"""Words of a server that is slow, or whose parts have not found each other again after a restart."""

REFUSED = ("UNAUTHENTICATED", "PERMISSION_DENIED", "auth check failure", "PrivilegeNotPermitted")

LONGEST = 200
"""Characters of somebody else's words that are passed on."""


def unreachable(uri: str, why: str) -> VectorStoreUnreachable:
    """Say that nobody answers."""
    return VectorStoreUnreachable(
        f"no Milvus answers at {without_password(uri)} ({_line(why)})",
        "Start one with `millrace up`, or name yours in MILLRACE_MILVUS=http://host:port.",
    )


def without_password(uri: str) -> str:
    """Leave the password out of an address.

    Example:
        >>> without_password("https://user:secret@milvus.example:19530")
        'https://milvus.example:19530'
    """
    scheme, found, rest = uri.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"


@contextmanager
def translated(uri: str, forget: Callable[[], None]) -> Iterator[None]:
    """Raise our errors in place of theirs.

    Args:
        uri: Who was asked.
        forget: Called when the connection is of no use any more.

    Raises:
        VectorStoreUnreachable: If trying again may help.
        VectorStoreFailed: If not.
    """
    try:
        yield
    except VectorStoreError:
        raise
    except Exception as error:
        told = _translate(error, uri, forget)
        if told is None:
            raise
        raise told from error


def _translate(
    error: Exception, uri: str, forget: Callable[[], None]
) -> VectorStoreUnreachable | VectorStoreFailed | None:
    """Find our words; none for what is neither theirs nor gRPC's."""
    import grpc  # slow, and imported long since when anything of theirs is raised
    from pymilvus.exceptions import MilvusException

    if isinstance(error, grpc.RpcError):
        code, words = None, f"{error.code().name}: {error.details()}"
    elif isinstance(error, MilvusException):
        code, words = error.code, f"{getattr(error.code, 'name', '')} {error.message}".strip()
    else:
        return None
    where = f"Milvus at {without_password(uri)}"
    if any(word in words for word in BROKEN):
        forget()
        return unreachable(uri, words)
    if any(word in words for word in REFUSED):
        return VectorStoreFailed(f"{where} refuses us: {_line(words)}", "Set MILLRACE_MILVUS_TOKEN.")
    if code in NOT_READY or getattr(error, "retriable", False) or any(word in words for word in PASSING):
        return VectorStoreUnreachable(f"{where} is not ready, or too slow ({_line(words)})", "It is tried again.")
    if code == NOT_FOUND:
        return VectorStoreFailed(f"{where} has no such collection: {_line(words)}", "Run `millrace index rebuild`.")
    return VectorStoreFailed(f"{where} says: {_line(words)}", "Its log tells more.")


def silence() -> None:
    """Keep pymilvus from printing a stack for every error that it also raises."""
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)


def _line(words: str) -> str:
    """Make it one line; of a long one the end tells most, the rest is a stack."""
    line = " ".join(words.split())
    return line if len(line) <= LONGEST else f"... {line[-LONGEST:]}"
