"""What is said between the one who calls feature functions and the process they run in: frames on a socket."""

import socket
import time
from typing import Any, TypeVar

import msgspec

HEAD_BYTES = 4
LARGEST_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 64 * 1024

T = TypeVar("T")


class PeerGone(Exception):
    """The other side closed its end, or says what is no frame."""


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """A call; see ``processors.features.serving.ports.Call``."""

    spec: str
    output: str
    arguments: dict[str, Any]


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What came of one call: a value, or the three parts of a failure."""

    value: Any
    failure: tuple[str, str, str] | None = None


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """Whether the user's module could be loaded."""

    error: str | None


class Channel:
    """One end of a socket, frame by frame.

    Args:
        end: Ours; closed with the channel.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._read = bytearray()

    def send(self, message: object, patience_s: float | None = None) -> None:
        """Write one frame.

        Args:
            message: A struct, or a list of them.
            patience_s: For the whole frame, seconds; None is for ever.

        Raises:
            TimeoutError: If the other side does not read in time.
            PeerGone: If the other side is gone.
        """
        body = msgspec.msgpack.encode(message)
        self._wait(patience_s)
        try:
            self._end.sendall(len(body).to_bytes(HEAD_BYTES, "big") + body)
        except ConnectionError as error:
            raise PeerGone(str(error)) from error

    def receive(self, kind: type[T], patience_s: float | None = None) -> T:
        """Read one frame.

        Args:
            kind: Of message.
            patience_s: For the whole frame, seconds; None is for ever.

        Raises:
            TimeoutError: If it is not there in time.
            PeerGone: If the other side is gone, or the frame is none.
        """
        until_s = None if patience_s is None else time.monotonic() + patience_s
        self._fill(HEAD_BYTES, until_s)
        size = int.from_bytes(self._read[:HEAD_BYTES], "big")
        if size > LARGEST_BYTES:
            raise PeerGone(f"a frame of {size:,} bytes")
        self._fill(HEAD_BYTES + size, until_s)
        body = bytes(self._read[HEAD_BYTES : HEAD_BYTES + size])
        del self._read[: HEAD_BYTES + size]
        try:
            return msgspec.msgpack.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise PeerGone(f"a frame that cannot be read: {error}") from error

    def close(self) -> None:
        """Close it; the other side learns."""
        self._end.close()

    def _fill(self, size: int, until_s: float | None) -> None:
        """Read on until so many bytes are there."""
        while len(self._read) < size:
            left_s = None if until_s is None else until_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise TimeoutError
            self._wait(left_s)
            try:
                part = self._end.recv(PIECE_BYTES)
            except ConnectionError as error:
                raise PeerGone(str(error)) from error
            if not part:
                raise PeerGone("it closed its end")
            self._read += part

    def _wait(self, patience_s: float | None) -> None:
        if patience_s != self._end.gettimeout():
            self._end.settimeout(patience_s)
