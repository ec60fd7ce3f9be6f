"""Record headers as they are kept in SQL: JSON ``[[name, base64], ...]``."""

import base64
from collections.abc import Mapping

import msgspec


def pack(headers: Mapping[str, bytes]) -> bytes:
    """Encode headers.

    Example:
        >>> unpack(pack({"traceparent": b"00-1-2-01"}))
        {'traceparent': b'00-1-2-01'}
    """
    return msgspec.json.encode([(name, base64.b64encode(value).decode()) for name, value in headers.items()])


def unpack(headers: bytes | None) -> dict[str, bytes]:
    """Decode headers; none are no headers.

    Raises:
        msgspec.ValidationError: If the bytes are no packed headers.
    """
    pairs = msgspec.json.decode(headers, type=list[tuple[str, str]]) if headers else []
    return {name: base64.b64decode(value) for name, value in pairs}
