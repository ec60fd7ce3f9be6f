"""How the gateway says what went wrong: RFC 9457."""

import msgspec

PREFIX = "urn:millrace:"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of an answer that is an error; ``application/problem+json``.

    Args:
        type: Stable: ``urn:millrace:`` and a code.
        title: What kind of thing it is; the same for every one of its type.
        status: The HTTP status.
        detail: What happened this time, one line.
        field: Path of the field that is wrong, when there is one.
        remedy: What to do, one line.
    """

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    remedy: str | None = None
