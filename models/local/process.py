"""The process a local model runs in, seen from its owner: started, spoken to, ended."""

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec

from models.local.folder import LocalModelError
from models.local.wire import Broken, Event, Open, Order, Ready, line, read_event

COMMAND = (sys.executable, "-m", "models.local.child")
LINE_BYTES = 64 * 1024 * 1024  # a line is shorter, or it is none of ours
LAST_LINES = 20
PARTING_S = 5.0  # between the end of its output and its own
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "DO_NOT_TRACK": "1",
    "PYTHONUNBUFFERED": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class ProcessEndedError(Exception):
    """The process is no more, or cannot be believed; says why."""


class ModelProcess:
    """One process, from its start to its end.

    It reads orders from its standard input, and ends when that closes: no process is left when its owner dies, however.

    Args:
        opening: What it is to load.
        command: The program; the default needs the llm extra.
    """

    def __init__(self, opening: Open, command: Sequence[str] = COMMAND) -> None:
        self._opening = opening
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._told: deque[str] = deque(maxlen=LAST_LINES)
        self._hearing: asyncio.Task[None] | None = None

    async def start(self, patience_s: float) -> Ready:
        """Start it and wait until the model is loaded.

        Args:
            patience_s: For loading, seconds.

        Raises:
            LocalModelError: If the model cannot be loaded.
            ProcessEndedError: If the process does not get so far.
        """
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LINE_BYTES, env=environment(os.environ)
        )
        self._hearing = asyncio.create_task(self._hear())
        self.send(self._opening)
        try:
            async with asyncio.timeout(patience_s):
                event = await self.read()
        except TimeoutError:
            raise ProcessEndedError(f"has not loaded its model within {patience_s:g} s") from None
        if isinstance(event, Broken):
            raise LocalModelError(event.error)
        if not isinstance(event, Ready):
            raise ProcessEndedError(f"said {type(event).__name__.lower()} before it was ready")
        return event

    def send(self, order: Order) -> None:
        """Write one order; lost if the process has ended, which ``read`` will say."""
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(line(order))

    async def read(self) -> Event:
        """Wait for what it says next.

        Raises:
            ProcessEndedError: If it ended, or said what is no line of ours.
        """
        if self._process is None or self._process.stdout is None:
            raise ProcessEndedError("was not started")
        try:
            text = await self._process.stdout.readline()
        except ValueError:
            raise ProcessEndedError(f"said more than {LINE_BYTES} bytes in one line") from None
        if not text.endswith(b"\n"):
            raise ProcessEndedError(await self._epitaph())
        try:
            return read_event(text)
        except msgspec.DecodeError as error:
            raise ProcessEndedError(f"said what is no message: {text[:80]!r} ({error})") from None

    async def end(self) -> None:
        """Kill it; its open requests are lost."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._process.stdin and self._process.stdout:
            self._process.stdin.close()
            with contextlib.suppress(ConnectionError):
                await self._process.stdin.wait_closed()
            await self._process.stdout.read()  # to its end, or the pipe stays open
        if self._hearing:
            await self._hearing

    async def _epitaph(self) -> str:
        if self._process is None:
            return "was not started"
        try:
            async with asyncio.timeout(PARTING_S):
                status = await self._process.wait()
        except TimeoutError:
            return "closed its output without ending"
        if self._hearing:
            await self._hearing
        ended = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"{ended}: {self._told[-1]}" if self._told else ended

    async def _hear(self) -> None:
        """Keep the last lines of its standard error: libraries talk there."""
        if self._process is None or self._process.stderr is None:
            return
        async for text in _lines(self._process.stderr):
            if text.strip():
                self._told.append(text.strip()[:500])


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    while text := await stream.readline():
        yield text.decode(errors="replace")


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the process needs of our environment: no settings of ours, so no secrets either.

    Example:
        >>> found = environment({"PATH": "/bin", "MILLRACE_WRITER_API_KEY": "secret", "PYTHONPATH": "/mine"})
        >>> sorted(found.items() & {("PATH", "/bin"), ("HF_HUB_OFFLINE", "1")})
        [('HF_HUB_OFFLINE', '1'), ('PATH', '/bin')]
        >>> any(name.startswith("MILLRACE") for name in found)
        False
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("MILLRACE_")}
    ours = str(Path(__file__).parents[2])
    return {**kept, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, [ours, environ.get("PYTHONPATH")]))}
