"""A file that takes seconds to build and is built once, whoever asks first."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from models.minilm.files import digest


def build_once(path: Path, build: Callable[[], bytes]) -> None:
    """Make sure that a file is there and whole; a damaged one is built again.

    Its sha256 lies beside it. Processes that ask at once wait for the first; a process that dies while
    it writes leaves nothing under the file's name.

    Args:
        path: The file; its folder is created.
        build: Returns its content.

    Raises:
        OSError: If the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    recorded = path.with_name(f"{path.name}.sha256")
    with _locked(path.with_name(f"{path.name}.lock")):
        if path.is_file() and recorded.is_file() and digest(path) == recorded.read_text():
            return
        content = build()
        _write(recorded, hashlib.sha256(content).hexdigest().encode())
        _write(path, content)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel frees it with the process
        yield


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    new.replace(path)
