"""Read .zst files to their true end: the library's own reader takes a file that was cut off for a whole one."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import zstandard

BLOCK_BYTES = 1 << 18


class ZstdFile(io.RawIOBase):
    """The uncompressed content of a file of one or more frames.

    Args:
        disk: The compressed file.

    Example:
        >>> packed = zstandard.ZstdCompressor().compress(b"hello")
        >>> ZstdFile(io.BytesIO(packed)).readall()
        b'hello'
        >>> ZstdFile(io.BytesIO(packed[:-1])).readall()
        Traceback (most recent call last):
        ...
        EOFError: the file ends in the middle
    """

    def __init__(self, disk: BinaryIO) -> None:
        self._blocks = _blocks(disk)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there is content at hand; 0 is the end.

        Raises:
            EOFError: If the file was cut off.
        """
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _blocks(disk: BinaryIO) -> Iterator[bytes]:
    frame = None
    while packed := disk.read(BLOCK_BYTES):
        while packed:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(packed)
            packed = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if frame is not None:
        raise EOFError("the file ends in the middle")
