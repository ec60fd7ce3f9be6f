"""One process that feature functions run in, seen from its owner: started, asked, killed when it is too slow."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from infra.errors import InfraError
from processors.features.serving.calling import failed, too_slow
from processors.features.serving.ports import Call, Failed, Made
from streams.functions.frames import Asked, Channel, PeerGone, Standing, Told

START_S = 60.0
"""For loading the user's module."""

COSTLY_CALLS = 3
"""Of one function in one request that cost the process: then it is not called any more, or it would take for ever."""


REMEDY = "Load the module by hand to see why: python -c 'import MODULE'."


class FunctionsUnusable(InfraError):
    """The process of feature functions cannot be started."""


class FunctionProcess:
    """A process that stays, and makes one call at a time.

    Args:
        module: The user's, as ``shop.features``.
        limit_s: Longest time a call may take, seconds.
    """

    def __init__(self, module: str, limit_s: float) -> None:
        self._module, self._limit_s = module, limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._closed = False

    def start(self) -> Channel:
        """Start it and wait until it stands, unless it does.

        Raises:
            FunctionsUnusable: If it does not come to stand.
        """
        if self._channel is not None:
            return self._channel
        if self._closed:
            raise FunctionsUnusable("functions cannot be called any more: this is about to end", "Ask again later.")
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            command = (sys.executable, "-P", "-m", "streams.functions.child", str(number), self._module)
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=(number,), start_new_session=True
            )
        self._channel = Channel(ours)
        try:
            error = self._channel.receive(Standing, START_S).error
        except TimeoutError:
            error = f"its process did not stand after {START_S:g} s"
        except PeerGone as gone:
            error = f"its process ended ({gone})"
        if error is not None:
            self._kill()
            raise FunctionsUnusable(f"functions of {self._module} cannot be called: {error}", REMEDY)
        return self._channel

    def call(self, calls: Sequence[Call]) -> list[Made | Failed]:
        """Make calls; one that takes too long costs the process, which starts again for those after it.

        Raises:
            FunctionsUnusable: If it does not start again.
        """
        try:
            return self._call_all(calls)
        except BaseException:  # Ctrl-C: what it still has to say must not be taken for answers to others
            self._kill()
            raise

    def close(self) -> None:
        """Kill it for good; who waits for it fails."""
        self._closed = True
        self._kill()

    def _kill(self) -> None:
        channel, process = self._channel, self._process
        self._channel = self._process = None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what its functions started, too
            process.wait()
        if channel is not None:
            channel.close()

    def _call_all(self, calls: Sequence[Call]) -> list[Made | Failed]:
        results: list[Made | Failed] = []
        costly: dict[tuple[str, str], list[Failed]] = defaultdict(list)
        while len(results) < len(calls):
            one = calls[len(results)]
            before = costly[one.spec, one.output]
            if len(before) >= COSTLY_CALLS:
                results.append(replace(before[-1], detail=f"{before[-1].detail}; not called again in this request"))
                continue
            done, failure = self._run(calls[len(results) :])
            results += done
            if failure is not None:
                last = calls[len(results)]
                costly[last.spec, last.output].append(failure)
                results.append(failure)
        return results

    def _run(self, calls: Sequence[Call]) -> tuple[list[Made | Failed], Failed | None]:
        """Make calls up to the first that costs the process; tells its failure apart."""
        told, gone = self._ask(calls)
        if gone is not None and not told:  # it may have ended since it was asked last: out of memory, say
            told, gone = self._ask(calls)
        results: list[Made | Failed] = [
            Made(one.value) if one.failure is None else Failed(*one.failure) for one in told
        ]
        if len(told) == len(calls):
            return results, None
        name = calls[len(told)].output
        return results, too_slow(name, self._limit_s) if gone is None else failed(name, f"it ended its process: {gone}")

    def _ask(self, calls: Sequence[Call]) -> tuple[list[Told], PeerGone | None]:
        """Make calls up to the first that costs the process; None where that took too long."""
        channel, told = self.start(), list[Told]()
        try:
            channel.send([Asked(one.spec, one.output, dict(one.arguments)) for one in calls], START_S)
            for _ in calls:
                told.append(channel.receive(Told, self._limit_s))  # those before a failure count
        except TimeoutError:
            self._kill()
        except PeerGone as gone:
            self._kill()
            return told, gone
        return told, None
