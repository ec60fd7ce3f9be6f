"""What a model's process and its owner say to each other: one JSON object a line."""

from typing import TypeAlias

import msgspec


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request.

    Args:
        number: Its own; what the process says of it carries this number.
        tokens: The prompt, at least one.
        adapter: Identity of the LoRA adapter it is for; None for the model as it is.
        max_tokens: What may be said.
        temperature: 0 always takes the likeliest token.
        top_p: The likeliest tokens that together are as likely as this are chosen from.
        seed: Of the choice; None is another choice every time.
        json_schema: What is said is JSON of this schema; None for free text.
        streamed: Whether pieces are wanted as they come.
        targets: Only score these continuations; nothing is said.
    """

    number: int
    tokens: list[int]
    adapter: str | None = None
    max_tokens: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    json_schema: str | None = None
    streamed: bool = False
    targets: list[list[int]] | None = None


class Open(msgspec.Struct, frozen=True, tag="open"):
    """The first line: what to load, and how large things may grow."""

    folder: str
    device: str
    batch_tokens: int
    cache_blocks: int
    adapters: bool


class Join(msgspec.Struct, frozen=True, tag="join"):
    """Take this row into continuous batching."""

    row: Row


class Together(msgspec.Struct, frozen=True, tag="together"):
    """Do these rows as one batch; all of one adapter, all to be said or all to be scored."""

    rows: list[Row]


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Nobody waits for this row any more; it still ends with a line of its own."""

    number: int


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Rows of this adapter follow."""

    adapter: str
    folder: str


class Unload(msgspec.Struct, frozen=True, tag="unload"):
    """No row of this adapter follows."""

    adapter: str


Order: TypeAlias = Open | Join | Together | Cancel | Load | Unload


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The model is loaded."""

    device: str
    versions: dict[str, str]


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """It cannot be loaded; the process ends."""

    error: str


class Step(msgspec.Struct, frozen=True, tag="step"):
    """The model is at work: said at most once a second."""


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """The next tokens of a streamed row."""

    number: int
    tokens: list[int]


class Said(msgspec.Struct, frozen=True, tag="said"):
    """A row is done.

    Args:
        number: The row's.
        tokens: All it said, without the token that ends a text.
        ended: False where ``max_tokens`` cut it or nobody waited any more.
    """

    number: int
    tokens: list[int]
    ended: bool


class Scored(msgspec.Struct, frozen=True, tag="scored"):
    """Log-probabilities of every token of every target, natural logarithm."""

    number: int
    logprobs: list[list[float]]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A row is done without a result."""

    number: int
    error: str
    retryable: bool = False
    lasting: bool = False


class Held(msgspec.Struct, frozen=True, tag="held"):
    """Adapters that are loaded now."""

    adapters: list[str]


Event: TypeAlias = Ready | Broken | Step | Piece | Said | Scored | Failed | Held

_encoder = msgspec.json.Encoder()
_orders = msgspec.json.Decoder(Order)
_events = msgspec.json.Decoder(Event)


def line(message: Order | Event) -> bytes:
    r"""Write one line.

    Example:
        >>> line(Cancel(3))
        b'{"type":"cancel","number":3}\n'
    """
    return _encoder.encode(message) + b"\n"


def read_order(text: bytes | str) -> Order:
    """Read a line of the owner.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    order: Order = _orders.decode(text)
    return order


def read_event(text: bytes | str) -> Event:
    """Read a line of the model's process.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    event: Event = _events.decode(text)
    return event
